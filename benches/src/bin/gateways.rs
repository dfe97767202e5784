//! `gateways [PART…]`: compares Tidegate with other gateways and prints the tables of RESULTS.md.

use anyhow::{Result, bail};
use benches::gateways;

fn main() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let names: Vec<&str> = gateways::ALL.iter().map(|(name, _)| *name).collect();
    if let Some(unknown) = wanted.iter().find(|it| !names.contains(&it.as_str())) {
        bail!("no part `{unknown}`; there are {}", names.join(", "));
    }
    for (name, measure) in gateways::ALL {
        if wanted.is_empty() || wanted.iter().any(|it| it == name) {
            show(&measure()?.render());
        }
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the tables are what this program is for")]
fn show(text: &str) {
    println!("{text}");
}
