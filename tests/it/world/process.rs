//! The `sidetone` command as a process of its own, with everything that it prints.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::PATIENCE;

/// What a process has printed so far.
#[derive(Debug)]
struct Capture {
    text: watch::Receiver<String>,
    reader: JoinHandle<()>,
}

impl Capture {
    fn of(source: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let (sender, text) = watch::channel(String::new());
        let reader = tokio::spawn(async move {
            let mut source = BufReader::new(source);
            let mut line = Vec::new();
            while let Ok(1..) = source.read_until(b'\n', &mut line).await {
                sender.send_modify(|text| text.push_str(&String::from_utf8_lossy(&line)));
                line.clear();
            }
        });
        Self { text, reader }
    }

    fn so_far(&self) -> String {
        self.text.borrow().clone()
    }

    /// Waits for a line that `check` takes.
    async fn wait<T>(&self, mut check: impl FnMut(&str) -> Option<T>) -> Option<T> {
        let mut text = self.text.clone();
        let mut seen = 0;
        loop {
            let found = {
                let text = text.borrow_and_update();
                let fresh = &text[seen..];
                // A line that is still being written is looked at when it is whole.
                let whole = fresh.rfind('\n').map_or(0, |end| end + 1);
                seen += whole;
                fresh[..whole].lines().find_map(&mut check)
            };
            if found.is_some() {
                return found;
            }
            if text.changed().await.is_err() {
                return None;
            }
        }
    }
}

/// A running process; killed if it is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    stdout: Capture,
    stderr: Capture,
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Finished {
    /// The exit code; nothing if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// Returns standard output as one JSON value.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self:#?}"))
    }
}

/// Returns where the command lies: beside the directory of this test.
fn binary() -> PathBuf {
    let own = std::env::current_exe().expect("a test knows where it lies");
    let path = own.ancestors().nth(2).expect("in target/<profile>/deps").join("sidetone");
    assert!(path.is_file(), "{} is missing: run `make test`, which builds it", path.display());
    path
}

impl Process {
    /// Starts the command.
    pub(crate) fn sidetone<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        Self::start(Self::command(arguments))
    }

    /// Prepares the command, with nothing of this process's own settings.
    pub(crate) fn command<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(binary());
        command.args(arguments);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SIDETONE_") {
                command.env_remove(name);
            }
        }
        command
    }

    /// Starts any command.
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().expect("the command starts");
        let stdout = Capture::of(child.stdout.take().expect("piped"));
        let stderr = Capture::of(child.stderr.take().expect("piped"));
        Self { child, stdout, stderr }
    }

    /// Waits for a line of standard output that `check` takes.
    pub(crate) async fn line<T>(&self, what: &str, check: impl FnMut(&str) -> Option<T>) -> T {
        let found = tokio::time::timeout(PATIENCE, self.stdout.wait(check)).await;
        found.ok().flatten().unwrap_or_else(|| panic!("nothing told {what}:\n{}", self.printed()))
    }

    /// Waits for a JSON object on standard output that `check` takes.
    pub(crate) async fn told(&self, what: &str, check: impl Fn(&Value) -> bool) -> Value {
        let parse = |line: &str| serde_json::from_str(line).ok().filter(&check);
        self.line(what, parse).await
    }

    /// Waits for a line of standard error that holds a text.
    pub(crate) async fn logs(&self, text: &str) -> String {
        let check = |line: &str| line.contains(text).then(|| line.to_owned());
        let found = tokio::time::timeout(PATIENCE, self.stderr.wait(check)).await;
        let found = found.ok().flatten();
        found.unwrap_or_else(|| panic!("nothing logged {text:?}:\n{}", self.printed()))
    }

    /// Returns everything that was printed so far, for people.
    pub(crate) fn printed(&self) -> String {
        format!("stdout:\n{}\nstderr:\n{}", self.stdout.so_far(), self.stderr.so_far())
    }

    /// Returns standard output so far.
    pub(crate) fn stdout(&self) -> String {
        self.stdout.so_far()
    }

    /// Returns standard error so far.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.so_far()
    }

    /// Returns its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("it still runs")
    }

    /// Sends a signal, such as `INT`.
    pub(crate) async fn signal(&self, name: &str) {
        let id = self.child.id().expect("it still runs").to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().await;
        assert!(sent.expect("kill is everywhere").success());
    }

    /// Kills it at once, as the kernel or a power cut would.
    pub(crate) async fn kill(mut self) -> Finished {
        self.child.start_kill().expect("it still runs");
        self.finish(PATIENCE).await
    }

    /// Waits for its end.
    pub(crate) async fn finish(mut self, limit: Duration) -> Finished {
        drop(self.child.stdin.take());
        let Ok(ended) = tokio::time::timeout(limit, self.child.wait()).await else {
            panic!("still runs after {limit:?}:\n{}", self.printed());
        };
        let status: ExitStatus = ended.expect("it can be waited for");
        for capture in [&mut self.stdout, &mut self.stderr] {
            // A grandchild may hold the pipe; what the process itself printed is there.
            let _ = tokio::time::timeout(PATIENCE, &mut capture.reader).await;
        }
        Finished { code: status.code(), stdout: self.stdout(), stderr: self.stderr() }
    }
}

/// Runs the command to its end.
pub(crate) async fn sidetone<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Finished {
    Process::sidetone(arguments).finish(PATIENCE).await
}

/// Runs the command to its end with something on its standard input.
pub(crate) async fn sidetone_fed<A: AsRef<OsStr>>(
    arguments: impl IntoIterator<Item = A>,
    input: &str,
) -> Finished {
    let mut process = Process::sidetone(arguments);
    let mut stdin = process.child.stdin.take().expect("piped");
    stdin.write_all(input.as_bytes()).await.expect("it reads");
    drop(stdin);
    process.finish(PATIENCE).await
}
