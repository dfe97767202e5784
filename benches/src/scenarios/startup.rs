//! From typing the command to the first answer, and how large the binary is.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use super::tracking;
use crate::client::{Call, send_all};
use crate::process::{self, Server};
use crate::table::{Table, figure};

const REPEATS: usize = 7;

pub(super) fn measure() -> Result<Table> {
    let mut table = Table::new(
        &format!("Start-up and size, median of {REPEATS}"),
        &["what", "first 200 ms", "RSS MiB", "binary MiB"],
    );
    let binary = std::fs::metadata(process::binary()?)?.len();
    #[expect(clippy::cast_precision_loss, reason = "a file's size in MiB, shown with three digits")]
    let binary_mib = binary as f64 / f64::from(1 << 20);

    let folders = (0..REPEATS).map(|_| tempfile::tempdir()).collect::<std::io::Result<Vec<_>>>()?;
    let new = repeat(|index| tracking::start(folders[index].path()))?;
    table.row("tracking and UI, new database", [figure(new.0), figure(new.1), figure(binary_mib)]);
    let folder = &folders[0];
    let known = repeat(|_| tracking::start(folder.path()))?;
    table.row("tracking and UI, existing database", [figure(known.0), figure(known.1), String::new()]);

    // The model file lies in the user's cache folder once `make model` has run.
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("configs").join("gateway.yaml");
    let config = config.display().to_string();
    let with_model = repeat(|_| Server::start(&["gateway", "--config", &config], folder.path()))?;
    table.row("gateway with the demo model", [figure(with_model.0), figure(with_model.1), String::new()]);
    Ok(table)
}

/// The medians of milliseconds and MiB over some starts.
fn repeat(start: impl Fn(usize) -> Result<Server>) -> Result<(f64, f64)> {
    let (mut millis, mut mib) = (Vec::new(), Vec::new());
    for index in 0..REPEATS {
        let started = Instant::now();
        let server = start(index)?;
        send_all(server.address, 1, &[Call::get("/health")])?;
        millis.push(started.elapsed().as_secs_f64() * 1e3);
        mib.push(server.watch().resident_mib()?);
    }
    Ok((median(millis), median(mib)))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
