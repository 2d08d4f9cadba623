//! Where finished recordings lie.

use std::fmt::Display;
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use bytes::Bytes;
use sidetone_model::{ConversationKey, SessionId};
#[cfg(feature = "aws")]
use sidetone_ports::RecordingStore;
#[cfg(feature = "aws")]
use sidetone_ports_aws::BucketRecordings;
use sidetone_ports_embedded::DataDir;

use crate::commands::data_option;
use crate::failure::Failure;

/// Where finished recordings lie.
pub(super) enum Shelf {
    /// In a data directory.
    Here(DataDir),
    /// In the bucket of a stack.
    #[cfg(feature = "aws")]
    Deployed { recordings: BucketRecordings, stack: String },
}

impl Shelf {
    /// Returns conversation and session of every recording with sound whose conversation's id
    /// begins so.
    pub(super) async fn recordings(
        &self,
        start: &str,
    ) -> Result<Vec<(ConversationKey, SessionId)>, Failure> {
        let names = match self {
            Self::Here(data) => names_in(&data.recordings())?,
            #[cfg(feature = "aws")]
            Self::Deployed { recordings, .. } => recordings.names("").await?,
        };
        let parse = |name: &String| {
            let (organization, rest) = name.strip_suffix(".wav")?.split_once('_')?;
            let (conversation, session) = rest.split_once('_')?;
            let key = || {
                let organization = organization.parse().ok()?;
                Some(ConversationKey { organization, conversation: conversation.parse().ok()? })
            };
            conversation.starts_with(start).then_some((key()?, session.parse().ok()?))
        };
        Ok(names.iter().filter_map(parse).collect())
    }

    /// Reads a finished file; nothing if there is none that can be read here.
    pub(super) async fn read(&self, name: &str) -> Result<Option<Bytes>, Failure> {
        match self {
            Self::Here(data) => {
                Ok(std::fs::read(data.recordings().join(name)).ok().map(Bytes::from))
            }
            #[cfg(feature = "aws")]
            Self::Deployed { recordings, .. } => Ok(recordings.recording(name).await?),
        }
    }

    /// Copies a finished file to a path.
    pub(super) async fn copy(&self, name: &str, path: &Path) -> Result<(), Failure> {
        let failed =
            |error| Failure::fault(format!("cannot write {}", path.display())).because(error);
        match self {
            Self::Here(data) => {
                let sound = File::open(data.recordings().join(name)).map_err(failed)?;
                write_private(path, sound).map_err(failed)
            }
            #[cfg(feature = "aws")]
            Self::Deployed { recordings, .. } => {
                let Some(sound) = recordings.recording(name).await? else {
                    return Err(Failure::fault(format!("{name} is no longer in the bucket")));
                };
                write_private(path, &sound[..]).map_err(failed)
            }
        }
    }

    /// Says that a conversation is not here, and what to do.
    pub(super) fn unknown(&self, conversation: &dyn Display) -> Failure {
        let (place, option) = match self {
            Self::Here(data) => (data.path().display().to_string(), data_option(data.path())),
            #[cfg(feature = "aws")]
            Self::Deployed { stack, .. } => (format!("stack {stack}"), format!(" --stack {stack}")),
        };
        Failure::bad_input(format!("no conversation {conversation} in {place}")).hint(format!(
            "`sidetone tail{option} --from start` shows which there are; the stream forgets them \
             after its retention time",
        ))
    }
}

fn names_in(directory: &Path) -> Result<Vec<String>, Failure> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            let what = format!("cannot look into {}", directory.display());
            return Err(Failure::fault(what).because(error));
        }
    };
    Ok(entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

/// Writes a file that only its owner may read, whatever the umask is and the file was before.
fn write_private(path: &Path, mut sound: impl io::Read) -> io::Result<()> {
    let mut file =
        File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    // Only a regular file: `-o /dev/stdout` keeps its own mode.
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    io::copy(&mut sound, &mut file).map(drop)
}
