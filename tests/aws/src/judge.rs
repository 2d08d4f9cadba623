//! The judgement of everything that concerns AWS: the ports' twins, what is deployed, figures,
//! simulations.

use std::ffi::OsStr;
use std::path::Path;

use tokio::process::Command;

use crate::addresses::{ADDRESSES_VARIABLE, Addresses};
use crate::error::LocalError;
use crate::progress::Progress;
use crate::running::cargo;
use crate::simulations::{build_sidetone, simulate};

/// Tests that want the machine for themselves: figures, and a hundred events at once, which a
/// door answers in the time that a message may be missing.
const ALONE: [&str; 2] = ["figures", "swarm"];

/// Runs the tests; if they were not chosen by name, all of them, those that want to be alone last,
/// and the simulations.
pub async fn judge(
    root: &Path,
    addresses: &Addresses,
    tests: &[String],
    progress: &Progress,
) -> Result<(), LocalError> {
    build_sidetone(root, addresses, progress).await?;
    if !tests.is_empty() {
        return test(root, addresses, tests).await;
    }
    progress.say("testing the ports' twins");
    let twins = test_twins(root, addresses).await;
    progress.say("testing what is deployed");
    let together: Vec<_> = ALONE.iter().flat_map(|name| ["--skip", name]).collect();
    let tested = test(root, addresses, &together).await;
    progress.say("taking figures");
    let alone = [&ALONE[..], &["--nocapture", "--test-threads=1"]].concat();
    let figures = test(root, addresses, &alone).await;
    let simulated = simulate(root, addresses, progress).await;
    twins.and(tested).and(figures).and(simulated)
}

/// Runs the tests of what is deployed, with their output for whoever looks.
async fn test(
    root: &Path,
    addresses: &Addresses,
    tests: &[impl AsRef<OsStr>],
) -> Result<(), LocalError> {
    let mut command = Command::new(cargo());
    command.args(["test", "--locked", "--workspace", "--test", "aws", "--"]).args(tests);
    // Nearly all of them wait, for schedules and for people who talk.
    command.env(ADDRESSES_VARIABLE, addresses.to_json()?).env("RUST_TEST_THREADS", "16");
    pass(root, addresses, command).await
}

/// Runs the suites that the ports' twins on AWS share with the embedded ones.
async fn test_twins(root: &Path, addresses: &Addresses) -> Result<(), LocalError> {
    let mut command = Command::new(cargo());
    command.args(["test", "--locked", "--workspace", "--test", "local"]);
    command.args(["--features", "sidetone-cli/aws,sidetone-ports-aws/local-aws"]);
    pass(root, addresses, command).await
}

async fn pass(root: &Path, addresses: &Addresses, mut command: Command) -> Result<(), LocalError> {
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    let status = command
        .current_dir(root)
        .envs(addresses.environment())
        .kill_on_drop(true)
        .status()
        .await
        .map_err(|source| LocalError::Program { program, source })?;
    if status.success() { Ok(()) } else { Err(LocalError::Tests) }
}
