//! Which core is whose, how many files a process may open, and what machine this is.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use serde::Serialize;

use crate::Failure;

/// The shell raises the limit and `taskset` pins: both survive `exec`, so that the process id
/// stays the one that was started. Without `taskset` the kernel chooses the core.
const LAUNCH: &str = r#"ulimit -n "$(ulimit -Hn)" 2>/dev/null
if [ -n "$0" ] && command -v taskset >/dev/null 2>&1; then exec taskset -c "$0" "$@"; fi
exec "$@""#;

/// The cores of server and client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cores {
    pub(crate) server: usize,
    pub(crate) client: usize,
}

impl Cores {
    /// Takes the first and the last core that this process may use.
    pub(crate) fn choose() -> Self {
        let allowed = allowed_cores();
        let server = allowed.first().copied().unwrap_or(0);
        Self { server, client: allowed.last().copied().unwrap_or(server) }
    }

    /// Returns whether server and client are in each other's way.
    pub(crate) const fn is_one(self) -> bool {
        self.server == self.client
    }
}

/// Returns a command that runs a program on a core with as many files as the system allows.
pub(crate) fn launch_on(core: usize, program: &Path) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(LAUNCH).arg(core.to_string()).arg(program);
    command
}

/// Starts this program again on a core; returns only if that failed.
pub(crate) fn move_to(core: usize) -> Failure {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return error.into(),
    };
    launch_on(core, &program).args(std::env::args_os().skip(1)).arg("--placed").exec().into()
}

/// Returns the cores that this process may use, in order.
fn allowed_cores() -> Vec<usize> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    list.map(|list| parse_cores(list.trim())).unwrap_or_default()
}

/// Reads a list such as `0-3,8`.
fn parse_cores(list: &str) -> Vec<usize> {
    let ranges = list.split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse().ok()?..=last.parse().ok()?)
    });
    ranges.flatten().collect()
}

/// What the figures were measured on.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    processor: String,
    cores: usize,
    kernel: String,
    date: String,
    commit: Option<String>,
    disk: Option<String>,
    /// Whether server and client had a core each.
    pub(crate) cores_apart: bool,
}

impl Machine {
    /// Looks around; `data` is where the durable stream will be.
    pub(crate) fn look(cores: Cores, all_cores: usize, data: &Path) -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo.lines().find(|line| line.starts_with("model name"));
        let model = model.and_then(|line| line.split(": ").nth(1)).unwrap_or("unknown");
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            processor: model.to_owned(),
            cores: all_cores,
            kernel: kernel.trim().to_owned(),
            date: answer_of("date", &["-u", "+%Y-%m-%d %H:%M UTC"]).unwrap_or_default(),
            commit: answer_of("git", &["rev-parse", "--short", "HEAD"]),
            disk: answer_of("stat", &["-f", "-c", "%T", &data.to_string_lossy()]),
            cores_apart: !cores.is_one(),
        }
    }

    /// Returns one line for people.
    pub(crate) fn line(&self) -> String {
        let Self { processor, cores, kernel, date, commit, disk, .. } = self;
        let disk = disk.as_deref().unwrap_or("unknown");
        let mut line =
            format!("{date}, {processor}, {cores} cores, Linux {kernel}, data on {disk}");
        if let Some(commit) = commit {
            line.push_str(&format!(", commit {commit}"));
        }
        line
    }
}

/// Returns how many cores there are before any pinning.
pub(crate) fn core_count() -> usize {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    cpuinfo.lines().filter(|line| line.starts_with("processor")).count().max(1)
}

fn answer_of(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lists_of_cores() {
        assert_eq!(parse_cores("0-2,5"), [0, 1, 2, 5]);
        assert_eq!(parse_cores("3"), [3]);
        assert!(parse_cores("").is_empty());
    }
}
