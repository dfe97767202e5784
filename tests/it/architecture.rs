//! The arrows between the crates, read from `cargo metadata`: what may import what, and the habits every crate keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Who may import whom. Everything not listed is forbidden.
///
/// `gateway` stays away from `tracking` and `models` so that it runs alone, without a database and without candle;
/// `eval` is handed language models by name and so needs neither of the crates that make them.
const ALLOWED: &[(&str, &[&str])] = &[
    ("llm", &[]),
    ("db", &[]),
    ("rest", &["db"]),
    ("yaml", &[]),
    ("ui", &[]),
    ("tracking", &["db", "rest"]),
    ("gateway", &["llm", "db", "rest", "yaml"]),
    ("kernels", &[]),
    ("models", &["llm", "kernels"]),
    ("eval", &["llm", "tracking", "yaml"]),
    ("projects", &["tracking"]),
    ("tidegate", &["llm", "db", "tracking", "gateway", "models", "eval", "projects", "ui"]),
    // Nobody imports the two below: they watch the others from outside.
    ("benches", &["llm", "models"]),
    ("blackbox", &[]),
];

/// The one crate with vector intrinsics; it says at each place what makes the unsafe code sound.
const WITH_INTRINSICS: &str = "kernels";

#[test]
fn crates_import_only_along_the_allowed_arrows() {
    let faults = forbidden(&members(), ALLOWED);
    assert!(
        faults.is_empty(),
        "{}\nARCHITECTURE.md draws the arrows; a new one is added there and in {}",
        faults.join("\n"),
        file!()
    );
}

#[test]
fn a_forbidden_arrow_is_named() {
    let arrow = |to: &str, dev: bool| Arrow { to: to.to_owned(), dev };
    let crates = |name: &str, arrows: Vec<Arrow>| BTreeMap::from([(name.to_owned(), arrows)]);
    let check = |crates: BTreeMap<String, Vec<Arrow>>, expected: &[&str]| {
        assert_eq!(forbidden(&crates, ALLOWED), expected);
    };
    check(crates("gateway", vec![arrow("llm", false)]), &[]);
    check(crates("gateway", vec![arrow("tracking", false)]), &["forbidden arrow: gateway → tracking"]);
    check(crates("gateway", vec![arrow("tracking", true)]), &["forbidden arrow: gateway → tracking (in its tests)"]);
    // A test may reach for what its crate reaches anyway, through another crate.
    check(crates("eval", vec![arrow("db", true)]), &[]);
    check(crates("eval", vec![arrow("db", false)]), &["forbidden arrow: eval → db"]);
    check(crates("newcomer", vec![]), &["`newcomer` has no row in the table of allowed arrows"]);
}

#[test]
fn every_crate_opens_with_a_sentence_about_itself() {
    for (name, root) in crate_roots() {
        let source = std::fs::read_to_string(&root).unwrap_or_else(|error| panic!("{}: {error}", root.display()));
        let first = source.lines().next().unwrap_or_default();
        assert!(
            first.starts_with("//! ") && first.len() > "//! ".len(),
            "`{name}`: {} opens with {first:?}, not with a `//!` sentence",
            root.display()
        );
    }
}

#[test]
fn every_crate_takes_the_workspace_lints_and_they_forbid_unsafe_code() {
    let root = std::fs::read_to_string(workspace().join("Cargo.toml")).unwrap();
    assert!(
        section(&root, "[workspace.lints.rust]").any(|line| line == r#"unsafe_code = "forbid""#),
        "Cargo.toml: [workspace.lints.rust] no longer says unsafe_code = \"forbid\""
    );
    for package in packages() {
        let path = text(&package, "manifest_path");
        let manifest = std::fs::read_to_string(path).unwrap();
        if text(&package, "name") == WITH_INTRINSICS {
            let denies = section(&manifest, "[lints.rust]").any(|line| line == r#"unsafe_code = "deny""#);
            assert!(denies, "{path}: [lints.rust] must deny unsafe code, so that each use of it gives its reason");
            continue;
        }
        assert!(
            section(&manifest, "[lints]").any(|line| line == "workspace = true"),
            "{path}: [lints] must say workspace = true, or unsafe code slips in"
        );
    }
}

#[derive(Debug, PartialEq)]
struct Arrow {
    to: String,
    /// Only the crate's tests and benches import it.
    dev: bool,
}

/// One line for each arrow that the table does not allow.
fn forbidden(crates: &BTreeMap<String, Vec<Arrow>>, allowed: &[(&str, &[&str])]) -> Vec<String> {
    let allowed: BTreeMap<&str, &[&str]> = allowed.iter().copied().collect();
    let mut faults = Vec::new();
    for (name, arrows) in crates {
        let Some(direct) = allowed.get(name.as_str()) else {
            faults.push(format!("`{name}` has no row in the table of allowed arrows"));
            continue;
        };
        for Arrow { to, dev } in arrows {
            let fine =
                if *dev { reachable(name, &allowed).contains(to.as_str()) } else { direct.contains(&to.as_str()) };
            if !fine {
                let place = if *dev { " (in its tests)" } else { "" };
                faults.push(format!("forbidden arrow: {name} → {to}{place}"));
            }
        }
    }
    faults
}

/// Everything that a crate imports, directly or through another one.
fn reachable<'a>(name: &'a str, allowed: &BTreeMap<&'a str, &'a [&'a str]>) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut open = vec![name];
    while let Some(next) = open.pop() {
        for &to in allowed.get(next).copied().unwrap_or_default() {
            if seen.insert(to) {
                open.push(to);
            }
        }
    }
    seen
}

/// The workspace's crates with the arrows to one another.
fn members() -> BTreeMap<String, Vec<Arrow>> {
    let packages = packages();
    let names: BTreeSet<&str> = packages.iter().map(|package| text(package, "name")).collect();
    packages
        .iter()
        .map(|package| {
            let arrows = list(package, "dependencies")
                .iter()
                .filter(|dependency| names.contains(text(dependency, "name")))
                .map(|dependency| Arrow { to: text(dependency, "name").to_owned(), dev: dependency["kind"] == "dev" })
                .collect();
            (text(package, "name").to_owned(), arrows)
        })
        .collect()
}

/// The root file of each library and binary.
fn crate_roots() -> Vec<(String, PathBuf)> {
    let is_root = |target: &&Value| list(target, "kind").iter().any(|kind| kind == "lib" || kind == "bin");
    packages()
        .iter()
        .flat_map(|package| {
            let name = text(package, "name").to_owned();
            let roots: Vec<_> = list(package, "targets").iter().filter(is_root).cloned().collect();
            roots.into_iter().map(move |target| (name.clone(), PathBuf::from(text(&target, "src_path"))))
        })
        .collect()
}

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(workspace())
        .output()
        .expect("cargo runs, since it runs this test");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata writes JSON");
    list(&metadata, "packages").to_vec()
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate lies inside the workspace")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("cargo metadata has no text `{key}` in {value}"))
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap_or_else(|| panic!("cargo metadata has no list `{key}` in {value}"))
}

/// The lines of one section of a manifest, trimmed.
fn section<'a>(manifest: &'a str, header: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = manifest.lines().map(str::trim);
    lines.skip_while(move |line| *line != header).skip(1).take_while(|line| !line.starts_with('['))
}
