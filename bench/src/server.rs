//! A server under test, from both sides: the process that started it, and the process it is.
//!
//! The server says `ready ADDRESS` on its output. For each line of its input it answers with
//! one line of JSON, an [`Extract`], and it ends when its input does.

use std::io::{self, BufRead, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::args::Kind;
use crate::figures::Puts;
use crate::places::{Cores, launch_on};
use crate::recorder::{Book, Extract};
use crate::{Failure, kinesis};

/// Linux counts processor time for `/proc` in hundredths of a second on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;
/// How long a server may take to be ready or to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A server of this program that runs.
#[derive(Debug)]
pub(crate) struct Server {
    process: Process,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Where its records go, if that is another process.
    kinesis: Option<Box<Server>>,
}

/// A process under test, with its files.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pid: u32,
    /// Goes when the process does.
    _data: TempDir,
}

/// What a process has used of its processor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cpu {
    /// All of it.
    pub(crate) seconds: f64,
    /// The kernel's part, to a hundredth of a second.
    pub(crate) system_s: f64,
}

impl Server {
    /// Starts a server on a core, its files in a directory of its own under `data`.
    pub(crate) async fn start(kind: Kind, cores: Cores, data: &Path) -> Result<Self, Failure> {
        let data = data_directory_in(data)?;
        let mut command = command(cores.server)?;
        let stream = match kind {
            Kind::Sink => None,
            Kind::Null => Some("null"),
            Kind::Embedded => Some("embedded"),
            Kind::Kinesis | Kind::KinesisPlain => Some("kinesis"),
        };
        match stream {
            None => command.arg("sink"),
            Some(stream) => command.args(["serve", "--stream", stream, "--data"]).arg(data.path()),
        };
        let kinesis = match kind {
            Kind::Kinesis | Kind::KinesisPlain => {
                let tls = kind == Kind::Kinesis;
                Some(Box::new(Self::start_kinesis(tls, cores, data.path(), &mut command).await?))
            }
            Kind::Sink | Kind::Null | Kind::Embedded => None,
        };
        Self::launch(command, data, kinesis).await
    }

    /// Starts a stub of Kinesis, and lets a server find it.
    async fn start_kinesis(
        tls: bool,
        cores: Cores,
        data: &Path,
        server: &mut Command,
    ) -> Result<Self, Failure> {
        let certificate = data.join("kinesis.pem");
        let mut stub = command(cores.client)?;
        stub.arg("kinesis-stub");
        if tls {
            stub.arg("--certificate").arg(&certificate);
            server.env("SSL_CERT_FILE", &certificate);
        }
        let stub = Box::pin(Self::launch(stub, tempfile::tempdir_in(data)?, None)).await?;
        let scheme = if tls { "https" } else { "http" };
        server
            .env("AWS_ENDPOINT_URL", format!("{scheme}://{}", stub.address))
            .envs(kinesis::ENVIRONMENT);
        Ok(stub)
    }

    /// Starts a process and waits until it is ready.
    async fn launch(
        command: Command,
        data: TempDir,
        kinesis: Option<Box<Self>>,
    ) -> Result<Self, Failure> {
        let (process, input, mut lines) = Process::start(command, data)?;
        let ready = tokio::time::timeout(ANSWER_WITHIN, lines.next_line()).await??;
        let address = ready
            .as_deref()
            .and_then(|line| line.strip_prefix("ready "))
            .ok_or("the server did not get ready")?
            .parse()?;
        Ok(Self { process, input, lines, address, kinesis })
    }

    /// Asks for what was recorded since the last time.
    pub(crate) async fn extract(&mut self) -> Result<Extract, Failure> {
        self.input.write_all(b"extract\n").await?;
        let line = tokio::time::timeout(ANSWER_WITHIN, self.lines.next_line()).await??;
        Ok(serde_json::from_str(&line.ok_or("the server is gone")?)?)
    }

    /// Asks for what reached the stub of Kinesis so far, if there is one.
    pub(crate) async fn puts(&mut self) -> Result<Option<Puts>, Failure> {
        let Some(kinesis) = &mut self.kinesis else { return Ok(None) };
        Ok(Some(kinesis::puts(&kinesis.extract().await?)))
    }

    /// Returns what it has used of its processor.
    pub(crate) fn cpu(&self) -> Result<Cpu, Failure> {
        cpu_of(&self.process.pid.to_string())
    }

    /// Returns its process.
    pub(crate) const fn process(&self) -> &Process {
        &self.process
    }

    /// Ends it without ceremony; nothing of its files is kept.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        self.process.stop().await?;
        if let Some(kinesis) = self.kinesis {
            kinesis.process.stop().await?;
        }
        Ok(())
    }
}

/// Makes a directory for the files of a process, under `data`.
pub(crate) fn data_directory_in(data: &Path) -> io::Result<TempDir> {
    tempfile::Builder::new().prefix("bench-").tempdir_in(data)
}

impl Process {
    /// Starts a process whose files are in `data`; returns its input, and the lines it writes.
    pub(crate) fn start(
        mut command: Command,
        data: TempDir,
    ) -> Result<(Self, ChildStdin, Lines<BufReader<ChildStdout>>), Failure> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let (Some(input), Some(output), Some(pid)) =
            (child.stdin.take(), child.stdout.take(), child.id())
        else {
            return Err("the server ended at once".into());
        };
        Ok((Self { child, pid, _data: data }, input, BufReader::new(output).lines()))
    }

    /// Returns the processor time of all its threads, those that ended included. Units: seconds,
    /// to a hundredth.
    pub(crate) fn cpu_s(&self) -> Result<f64, Failure> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        Ok(parse_cpu(&stat).ok_or("no processor time in /proc")?.seconds)
    }

    /// Returns how many bytes it has written to files, temporary ones included.
    pub(crate) fn written_bytes(&self) -> Result<u64, Failure> {
        let io = std::fs::read_to_string(format!("/proc/{}/io", self.pid))?;
        let line = io.lines().find_map(|line| line.strip_prefix("write_bytes:"));
        Ok(line.ok_or("no written bytes in /proc")?.trim().parse()?)
    }

    /// Returns the most resident memory it had. Units: KiB.
    pub(crate) fn peak_rss_kib(&self) -> Result<u64, Failure> {
        self.status_kib("VmHWM:")
    }

    /// Returns its resident memory in KiB.
    pub(crate) fn rss_kib(&self) -> Result<u64, Failure> {
        self.status_kib("VmRSS:")
    }

    fn status_kib(&self, field: &str) -> Result<u64, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        Ok(kib.ok_or("no resident memory in /proc")?.trim().parse()?)
    }

    /// Ends it without ceremony; nothing of its files is kept.
    pub(crate) async fn stop(mut self) -> Result<(), Failure> {
        self.child.kill().await?;
        Ok(())
    }
}

/// Returns a command that runs this program on a core.
fn command(core: usize) -> Result<Command, Failure> {
    Ok(Command::from(launch_on(core, &std::env::current_exe()?)))
}

/// Returns what this process has used of its processor.
pub(crate) fn own_cpu() -> Result<Cpu, Failure> {
    cpu_of("self")
}

fn cpu_of(pid: &str) -> Result<Cpu, Failure> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let coarse = parse_cpu(&stat).ok_or("no processor time in /proc")?;
    Ok(Cpu { seconds: scheduled_seconds(pid).unwrap_or(coarse.seconds), ..coarse })
}

/// Reads what the scheduler has given to all threads, to the nanosecond; nothing if the kernel
/// does not tell. Threads that ended are missing, and no server here ends any.
fn scheduled_seconds(pid: &str) -> Option<f64> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let nanos_of = |path: PathBuf| {
        let text = std::fs::read_to_string(path.join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    let nanos = threads.map(|thread| nanos_of(thread.ok()?.path())).sum::<Option<u64>>()?;
    Some(nanos as f64 / 1e9)
}

/// Reads user and system time, fields 14 and 15; the second field is a name that may hold
/// anything, closed by the last parenthesis.
fn parse_cpu(stat: &str) -> Option<Cpu> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut seconds = || Some(fields.next()?.parse::<f64>().ok()? / TICKS_PER_SECOND);
    let (user_s, system_s) = (seconds()?, seconds()?);
    Some(Cpu { seconds: user_s + system_s, system_s })
}

/// Makes the runtime of a server: one worker, as one core has.
pub(crate) fn one_worker() -> io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(1).enable_all().build()
}

/// Says that the server is ready and answers questions until there are no more.
pub(crate) async fn serve_until_told(
    address: SocketAddr,
    book: Option<Book>,
) -> Result<(), Failure> {
    writeln!(io::stdout(), "ready {address}")?;
    let (over, until_over) = oneshot::channel();
    // A thread of its own, since reading blocks; it sleeps but for a few questions a minute.
    std::thread::spawn(move || {
        let _ = over.send(answer(book.as_ref()));
    });
    until_over.await??;
    Ok(())
}

fn answer(book: Option<&Book>) -> io::Result<()> {
    for question in io::stdin().lock().lines() {
        question?;
        let extract = book.map(Book::extract).unwrap_or_default();
        writeln!(io::stdout(), "{}", serde_json::to_string(&extract)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_processor_time_behind_any_name() {
        let stat = "77 (a) b) S 1 1 1 0 -1 4194304 1 2 3 4 250 75 0 0 20 0 1 0 100";
        assert_eq!(parse_cpu(stat), Some(Cpu { seconds: 3.25, system_s: 0.75 }));
        assert_eq!(parse_cpu("nothing"), None);
    }

    #[test]
    fn this_process_has_used_some() {
        // Counted in hundredths of a second, which a process that just began has not used up.
        let some = |used: &Cpu| used.seconds > 0.0;
        let used = std::iter::repeat_with(|| own_cpu().unwrap()).find(some).unwrap();
        assert!(used.seconds < 600.0, "{used:?}");
    }
}
