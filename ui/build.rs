//! Embeds the app again when it was built again: cargo would not notice files that were not there last time.

fn main() {
    println!("cargo::rerun-if-changed=dist");
}
