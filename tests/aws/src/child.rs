//! Programs that are started here, and end with us: each in a process group of its own, so that
//! whatever it starts ends with it, and nothing else does.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::process::Command;

use crate::error::LocalError;

/// How long a group may take to end by itself.
const END_LIMIT: Duration = Duration::from_secs(10);

/// How often it is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A running program with its group. Whoever drops it kills the group.
#[derive(Debug)]
pub struct Child {
    name: String,
    process: tokio::process::Child,
    group: Option<Pid>,
    log: PathBuf,
}

impl Child {
    /// Starts a program whose output goes to `<name>.log` in a folder.
    ///
    /// Errors: [`LocalError`] if there is no such program, or the log cannot be written.
    pub fn start(name: &str, mut command: Command, folder: &Path) -> Result<Self, LocalError> {
        let log = folder.join(format!("{name}.log"));
        let file = |source| LocalError::File { path: log.clone(), source };
        let output = File::create(&log).map_err(file)?;
        let errors = output.try_clone().map_err(file)?;
        let program = command.as_std().get_program().to_string_lossy().into_owned();
        let process = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(|source| LocalError::Program { program, source })?;
        let id = process.id().and_then(|id| i32::try_from(id).ok());
        let group = id.and_then(Pid::from_raw);
        Ok(Self { name: name.to_owned(), process, group, log })
    }

    /// Returns what it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns where its output goes.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Returns its process id, which names its group too.
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Waits until it answers, which `look` finds out, or says why it does not.
    ///
    /// Errors: [`LocalError::Silent`], or [`LocalError::Failed`] if it ended.
    pub async fn until(
        &mut self,
        limit: Duration,
        look: impl AsyncFn() -> bool,
    ) -> Result<(), LocalError> {
        let begun = tokio::time::Instant::now();
        while !look().await {
            if let Ok(Some(status)) = self.process.try_wait() {
                return Err(self.failed(&status.to_string()));
            }
            if begun.elapsed() > limit {
                let (what, log) = (self.name.clone(), self.log.clone());
                return Err(LocalError::Silent { what, limit, log });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Waits until it ends by itself.
    ///
    /// Errors: [`LocalError::Failed`] if it did not end well.
    pub async fn finish(mut self) -> Result<(), LocalError> {
        let status = self.process.wait().await;
        let status = status.map_err(|source| {
            let program = self.name.clone();
            LocalError::Program { program, source }
        })?;
        if status.success() {
            return Ok(());
        }
        Err(self.failed(&status.to_string()))
    }

    /// Ends the group: asks first.
    ///
    /// Errors: [`LocalError::Failed`] if the program did not end in order, or had to be killed.
    pub async fn stop(mut self) -> Result<(), LocalError> {
        let Some(group) = self.group else { return Ok(()) };
        let _ = kill_process_group(group, Signal::TERM);
        let ending = async {
            let status = self.process.wait().await;
            while test_kill_process_group(group).is_ok() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            status
        };
        match tokio::time::timeout(END_LIMIT, ending).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(self.failed(&status.to_string())),
            Ok(Err(_)) | Err(_) => Err(self.failed("still there when it should have ended")),
        }
    }

    fn failed(&self, status: &str) -> LocalError {
        let (what, log) = (self.name.clone(), self.log.clone());
        LocalError::Failed { what, status: status.to_owned(), log }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // What has ended cannot be killed, and a group that still has somebody keeps its id.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn ends_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let mut child =
            Child::start("parent", shell("sleep 600 & sleep 600"), folder.path()).unwrap();
        child.until(Duration::from_secs(5), async || true).await.unwrap();
        let group = child.group.unwrap();
        assert!(test_kill_process_group(group).is_ok());
        // A shell that SIGTERM ends has not ended in order.
        assert!(child.stop().await.is_err());
        assert!(test_kill_process_group(group).is_err());
    }

    #[tokio::test]
    async fn says_how_it_ended_and_where_its_output_is() {
        let folder = tempfile::tempdir().unwrap();
        let child = Child::start("doomed", shell("echo why; exit 3"), folder.path()).unwrap();
        let log = child.log().to_owned();
        let error = child.finish().await.unwrap_err();
        assert!(error.to_string().contains("exit status: 3"), "{error}");
        assert_eq!(std::fs::read_to_string(log).unwrap(), "why\n");
    }

    #[tokio::test]
    async fn silence_has_an_end() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Child::start("silent", shell("sleep 600"), folder.path()).unwrap();
        let limit = Duration::from_millis(100);
        let error = child.until(limit, async || false).await.unwrap_err();
        assert!(matches!(error, LocalError::Silent { .. }), "{error}");
    }
}
