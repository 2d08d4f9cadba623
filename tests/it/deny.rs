//! What `deny.toml` says about dependencies, held against the lock file: licences, banned crates
//! and sources.
//!
//! `make deny` runs cargo-deny, which CI would have to build for many minutes. This reads the
//! same file. Refuses: advisories, as their database is not part of the repository and has to
//! be fetched at the time of the check.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use spdx::{Expression, ParseMode};

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ has a parent").to_owned()
}

fn deny() -> toml::Value {
    let text = std::fs::read_to_string(root().join("deny.toml")).expect("readable");
    toml::from_str(&text).expect("TOML")
}

fn texts<'a>(values: &'a toml::Value, field: &str) -> Vec<&'a str> {
    let values = values.as_array().expect("a list").iter();
    values.filter_map(|one| one.as_str().or_else(|| one.get(field)?.as_str())).collect()
}

/// Every package that is built for one of the platforms, as cargo describes it.
fn packages(deny: &toml::Value) -> Vec<Value> {
    let mut packages = Vec::new();
    for target in texts(&deny["graph"]["targets"], "triple") {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--locked", "--offline"])
            .args(["--filter-platform", target])
            .current_dir(root())
            .output()
            .expect("cargo runs");
        let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let used: BTreeSet<&str> = metadata["resolve"]["nodes"]
            .as_array()
            .expect("nodes")
            .iter()
            .filter_map(|node| node["id"].as_str())
            .collect();
        let all = metadata["packages"].as_array().expect("packages").iter();
        let used = all.filter(|one| one["id"].as_str().is_some_and(|id| used.contains(id)));
        packages.extend(used.cloned());
    }
    assert!(packages.len() > 200, "cargo lists the dependencies");
    packages
}

/// Returns what is wrong with a package.
fn faults(package: &Value, deny: &toml::Value) -> Vec<String> {
    let name = package["name"].as_str().expect("a name");
    let mut faults = Vec::new();
    if texts(&deny["bans"]["deny"], "crate").contains(&name) {
        faults.push(format!("{name} is banned"));
    }
    if let Some(source) = package["source"].as_str()
        && source != CRATES_IO
    {
        faults.push(format!("{name} comes from {source}"));
    }
    let allowed = texts(&deny["licenses"]["allow"], "name");
    let licence = package["license"].as_str().unwrap_or_default();
    let fits = Expression::parse_mode(licence, ParseMode::LAX)
        .is_ok_and(|it| it.evaluate(|one| allowed.contains(&one.to_string().as_str())));
    if !fits {
        faults.push(format!("{name} has the licence {licence:?}"));
    }
    faults
}

#[test]
fn dependencies_have_allowed_licences_and_sources() {
    let deny = deny();
    let faults: Vec<_> = packages(&deny).iter().flat_map(|one| faults(one, &deny)).collect();
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn banned_crate_foreign_source_and_unknown_licence_are_found() {
    let deny = deny();
    let package = |name: &str, source: &str, license: &str| {
        faults(&serde_json::json!({ "name": name, "source": source, "license": license }), &deny)
    };
    assert_eq!(package("good", CRATES_IO, "GPL-3.0 OR MIT"), Vec::<String>::new());
    assert_eq!(package("openssl-sys", CRATES_IO, "MIT").len(), 1);
    assert_eq!(package("good", "git+https://git.example/good", "MIT").len(), 1);
    assert_eq!(package("good", CRATES_IO, "GPL-3.0 AND MIT").len(), 1);
    assert_eq!(package("good", CRATES_IO, "").len(), 1);
}
