//! The tools: MiniStack, the SAM command and cargo-lambda, from PyPI by name and version.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::child::Child;
use crate::error::LocalError;
use crate::progress::Progress;

/// The local AWS, and what it needs to understand a SAM template and to verify a token: without
/// the last one it refuses all of them.
const EMULATOR: &[&str] =
    &["ministack==1.5.33", "aws-sam-translator==1.115.0", "cryptography==50.0.2"];

/// What builds and deploys. They pin other versions of the same libraries, so they live apart.
const BUILDER: &[&str] = &["aws-sam-cli==1.170.0", "cargo-lambda==1.9.2"];

/// Names what was installed, beside it.
const RECEIPT: &str = "sidetone-installed";

/// Where the tools are.
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    folder: PathBuf,
}

impl Tools {
    /// Installs what is missing, or takes a folder in which somebody else did.
    ///
    /// Errors: [`LocalError`] if there is no Python, or PyPI does not answer.
    pub(crate) async fn prepare(
        ready: Option<PathBuf>,
        target: &Path,
        run: &Path,
        progress: &Progress,
    ) -> Result<Self, LocalError> {
        if let Some(folder) = ready {
            return Ok(Self { folder });
        }
        let tools = Self { folder: target.join("venv") };
        for (name, packages) in [("v", EMULATOR), ("sam", BUILDER)] {
            install(&tools.folder.join(name), packages, run, progress).await?;
        }
        Ok(tools)
    }

    /// Returns the Python that knows the local AWS.
    pub(crate) fn python(&self) -> PathBuf {
        self.folder.join("v/bin/python")
    }

    /// Returns the `sam` command, which finds cargo-lambda on its path.
    pub(crate) fn sam(&self) -> Command {
        let mut command = Command::new(self.folder.join("sam/bin/sam"));
        command.env("PATH", self.path()).env("SAM_CLI_TELEMETRY", "0");
        command
    }

    fn path(&self) -> OsString {
        let mut path = self.folder.join("sam/bin").into_os_string();
        if let Some(rest) = std::env::var_os("PATH") {
            path.push(":");
            path.push(rest);
        }
        path
    }
}

async fn install(
    folder: &Path,
    packages: &[&str],
    run: &Path,
    progress: &Progress,
) -> Result<(), LocalError> {
    let receipt = folder.join(RECEIPT);
    let wanted = packages.join("\n");
    if std::fs::read_to_string(&receipt).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    progress.say(&format!("installing {} from PyPI", packages.join(" and ")));
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(folder);
    Child::start("venv", make, run)?.finish().await?;
    let mut pip = Command::new(folder.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check"]).args(packages);
    Child::start("pip", pip, run)?.finish().await?;
    std::fs::write(&receipt, wanted).map_err(|source| LocalError::File { path: receipt, source })
}
