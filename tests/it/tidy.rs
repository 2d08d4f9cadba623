//! The house rules that a machine can check.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Who may import whom, of ours; dev-dependencies are free.
const IMPORTS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("audiohook-proto", &["model"]),
    ("notification-proto", &["model"]),
    ("delivery-wire", &["model"]),
    ("engine", &["model", "audiohook-proto"]),
    ("ports", &["model"]),
    ("driver", &["engine", "audiohook-proto", "ports", "delivery-wire", "model"]),
    ("listener", &[]),
    ("admission", &["audiohook-proto", "ports", "model"]),
    (
        "socket-door",
        &["admission", "driver", "audiohook-proto", "listener", "ports", "model", "delivery-wire"],
    ),
    (
        "lambda-door",
        &["admission", "audiohook-proto", "delivery-wire", "driver", "engine", "ports", "model"],
    ),
    ("tracking", &["notification-proto", "ports", "delivery-wire", "model"]),
    ("consumer", &["ports", "delivery-wire", "model"]),
    ("explain", &["consumer", "ports", "delivery-wire", "model"]),
    ("ports-embedded", &["ports", "model"]),
    ("ports-aws", &["ports", "model"]),
    ("lambda-start", &["bootstrap", "ports-aws", "ports", "model"]),
    ("organizations", &["audiohook-proto", "tracking", "ports", "model"]),
    ("organizations-api", &["organizations", "users-api", "ports", "model"]),
    ("user-file", &["model"]),
    ("users", &["user-file", "ports", "model"]),
    ("users-api", &["listener", "tracking", "users", "user-file", "ports", "model"]),
    ("bootstrap", &["model"]),
    // The simulation's callers share the clock of the system that they call.
    ("genesys-sim", &["model", "audiohook-proto", "notification-proto", "ports"]),
    ("testkit", &["model", "ports", "delivery-wire"]),
];

/// Crates that may not know a clock, a socket, a store or chance.
const PURE: &[&str] =
    &["model", "audiohook-proto", "notification-proto", "engine", "delivery-wire"];

/// What makes a crate impure. `uuid` is there without its generators' use: clippy bans them not,
/// but nothing pure asks for a new one.
const IMPURE: &[&str] =
    &["tokio", "hyper", "reqwest", "rusqlite", "rand", "metrics", "tracing", "tokio-tungstenite"];

/// Who may know AWS by name: the twins, and what drives the local AWS in tests.
const KNOW_AWS: &[&str] = &["ports-aws", "tests-aws"];

/// The longest source file.
const LINES_MAX: usize = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ has a parent").to_owned()
}

/// Every file that git tracks or would track.
fn files() -> Vec<PathBuf> {
    let root = root();
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(&root)
        .output()
        .expect("git runs");
    let names = String::from_utf8(listed.stdout).expect("names are UTF-8");
    let files: Vec<_> = names.lines().map(|name| root.join(name)).filter(|f| f.is_file()).collect();
    assert!(files.len() > 50, "git lists the repository");
    files
}

fn sources() -> Vec<(PathBuf, String)> {
    let rust = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "rs");
    let read = |file: PathBuf| {
        let text = std::fs::read_to_string(&file).expect("sources are UTF-8");
        (file, text)
    };
    files().into_iter().filter(rust).map(read).collect()
}

/// Our crates with their dependencies, without dev-dependencies.
fn crates() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let name = |value: &serde_json::Value| {
        let name = value["name"].as_str().expect("name");
        name.strip_prefix("sidetone-").unwrap_or(name).to_owned()
    };
    let dependencies = |package: &serde_json::Value| {
        let all = package["dependencies"].as_array().expect("dependencies");
        all.iter().filter(|one| one["kind"] != "dev").map(name).collect()
    };
    packages.iter().map(|package| (name(package), dependencies(package))).collect()
}

#[test]
fn crates_import_only_what_the_map_allows() {
    let crates = crates();
    let ours: BTreeSet<&String> = crates.keys().collect();
    for (name, allowed) in IMPORTS {
        let imports = crates.get(*name).unwrap_or_else(|| panic!("{name} is in the workspace"));
        for import in imports.iter().filter(|import| ours.contains(import)) {
            assert!(allowed.contains(&import.as_str()), "{name} may not import {import}");
        }
    }
    // What puts the others together.
    let free = |name: &String| {
        name.starts_with("function-")
            || ["cli", "tests", "tests-aws", "bench", "service"].contains(&name.as_str())
    };
    for name in crates.keys().filter(|name| !free(name)) {
        assert!(IMPORTS.iter().any(|(known, _)| known == name), "{name} is not in the map");
    }
}

#[test]
fn pure_crates_know_no_clock_socket_store_or_chance() {
    let crates = crates();
    for name in PURE {
        for impure in IMPURE {
            assert!(!crates[*name].contains(*impure), "{name} may not import {impure}");
        }
        let clippy = root().join("shared").join(name).join("clippy.toml");
        let clippy = std::fs::read_to_string(&clippy).unwrap_or_default();
        for banned in ["Instant::now", "SystemTime::now", "HashMap"] {
            assert!(clippy.contains(banned), "{name}/clippy.toml bans {banned}");
        }
    }
}

#[test]
fn the_map_names_every_crate() {
    let map = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("readable");
    for (name, _) in IMPORTS {
        assert!(map.contains(&format!("`{name}`")), "ARCHITECTURE.md names {name}");
    }
    assert!(map.lines().count() < 300, "ARCHITECTURE.md stays under 300 lines");
}

#[test]
fn every_source_says_what_it_is_and_stays_readable() {
    for (file, text) in sources() {
        assert!(text.starts_with("//!"), "{} opens with //!", file.display());
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", file.display());
    }
}

#[test]
fn only_the_twins_know_aws() {
    for (name, dependencies) in crates() {
        let aws = dependencies.iter().find(|one| one.starts_with("aws-") || *one == "aws_config");
        if let Some(aws) = aws {
            assert!(KNOW_AWS.contains(&name.as_str()), "{name} may not import {aws}");
        }
    }
}

#[test]
fn the_default_build_compiles_no_aws_sdk() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--package", "sidetone-cli", "--edges", "normal,build", "--prefix", "none"])
        .args(["--locked", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let tree = String::from_utf8(tree.stdout).expect("names are UTF-8");
    assert!(tree.contains("sidetone-engine"), "cargo tree lists the command's crates");
    let sdk = tree.lines().find(|line| line.starts_with("aws-"));
    assert_eq!(sdk, None, "nothing of the default build compiles an AWS SDK");
}

#[test]
fn nothing_names_a_place_of_one_machine() {
    let own = PathBuf::from(file!());
    let marks = ["/root/", "/home/", "/tmp/bash", "../shared"];
    for file in files() {
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        if file.ends_with(own.file_name().expect("named")) || file.ends_with("Cargo.lock") {
            continue;
        }
        for mark in marks {
            assert!(!text.contains(mark), "{} names {mark}", file.display());
        }
    }
}

/// Names that a JSON log line has already; a field of that name would stand there twice.
const RESERVED_FIELDS: [&str; 7] =
    ["message", "level", "target", "timestamp", "fields", "span", "spans"];

/// Returns the arguments of each log macro, up to its end.
fn log_calls(text: &str) -> impl Iterator<Item = &str> {
    let calls = text.split("tracing::").skip(1);
    calls.filter_map(|rest| {
        let (name, arguments) = rest.split_once("!(")?;
        let is_log = ["trace", "debug", "info", "warn", "error"].contains(&name);
        is_log.then(|| arguments.split(");").next().unwrap_or_default())
    })
}

#[test]
fn no_log_field_has_a_reserved_name() {
    let reserved = |argument: &str| {
        let name = argument.split('=').next().unwrap_or_default().trim();
        RESERVED_FIELDS.contains(&name.trim_start_matches(['%', '?']))
    };
    assert!(
        log_calls("tracing::warn!(code, %message, \"x\");").any(|it| it.split(',').any(reserved))
    );
    for (file, text) in sources() {
        if file.ends_with(file!()) || file.to_string_lossy().contains("/tests/") {
            continue;
        }
        for call in log_calls(&text) {
            assert!(!call.split(',').any(reserved), "{}: {call}", file.display());
        }
    }
}

#[test]
fn first_build_prints_an_estimate_and_cargo_shows_its_progress() {
    let root = root();
    for target in ["run", "demo", "test"] {
        let dry = Command::new("make").args(["--dry-run", target]).current_dir(&root).output();
        let commands = String::from_utf8(dry.unwrap().stdout).unwrap();
        assert!(commands.contains("sh tests/estimate.sh"), "{target}: {commands}");
        let mut builds = commands.lines().filter(|line| line.contains("cargo build"));
        assert!(builds.all(|line| !line.contains("quiet")), "{target}: {commands}");
    }
    let estimate = |result: &str| {
        let estimated = Command::new("sh")
            .args(["tests/estimate.sh", result, "20"])
            .current_dir(&root)
            .output();
        String::from_utf8(estimated.unwrap().stdout).unwrap()
    };
    let text = estimate("target/no-such-binary");
    assert!(text.starts_with("first build: about ") && text.contains(" minutes on "), "{text}");
    assert_eq!(estimate("Makefile"), "", "no estimate once the result is there");
}
