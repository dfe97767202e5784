//! Embeds the app again when it was built again: cargo would not notice files that were not there last time.

#[expect(clippy::print_stdout, reason = "this is how a build script speaks to cargo")]
fn main() {
    println!("cargo::rerun-if-changed=dist");
}
