//! The file system of the image, without a container engine: the binary, the certificates it
//! trusts, and nothing else.
//!
//! Source: infra/image/Dockerfile, line by line.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::process::geteuid;
use tokio::process::Command;

use crate::error::LocalError;

/// The binary's place in the image, which is its entry point.
pub(crate) const DOOR: &str = "/sidetone-door";

/// Where a program looks for the authorities it trusts.
const AUTHORITIES: &str = "etc/ssl/certs/ca-certificates.crt";

/// A root directory with nothing but what the image has.
#[derive(Debug, Clone)]
pub(crate) struct EmptyRoot {
    folder: PathBuf,
}

impl EmptyRoot {
    /// Lays one out; the authority of the local AWS stands where the image has the public ones.
    ///
    /// Errors: [`LocalError::File`].
    pub(crate) fn lay_out(
        folder: &Path,
        binary: &Path,
        authority: &Path,
    ) -> Result<Self, LocalError> {
        put(binary, &folder.join(DOOR.trim_start_matches('/')), 0o555)?;
        put(authority, &folder.join(AUTHORITIES), 0o444)?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Returns a program of the image, run as `user`, with this as its root, and with an
    /// environment that is empty but for the path on which `chroot` is found.
    ///
    /// Who is not root here is root, and `user`, in a user namespace of their own.
    pub(crate) fn command(&self, program: &str, user: &str) -> Command {
        let mut command = if geteuid().is_root() {
            let mut command = Command::new("chroot");
            command.arg(format!("--userspec={user}"));
            command
        } else {
            let mut command = Command::new("unshare");
            command.args(["--user", "--map-root-user", "chroot"]);
            command
        };
        command.arg(&self.folder).arg(program).env_clear().current_dir("/");
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command
    }
}

/// Copies a file to where it has no folder yet.
fn put(from: &Path, to: &Path, mode: u32) -> Result<(), LocalError> {
    let file = |source| LocalError::File { path: to.to_owned(), source };
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(file)?;
    }
    fs::copy(from, to).map_err(file)?;
    fs::set_permissions(to, fs::Permissions::from_mode(mode)).map_err(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_there_but_what_the_image_has() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        let root = EmptyRoot::lay_out(&folder.path().join("root"), &file, &file).unwrap();
        let top: Vec<_> = fs::read_dir(&root.folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(top.len(), 2, "{top:?}");
        assert!(root.folder.join(AUTHORITIES).exists());
    }
}
