//! Recordings: parts of running sessions in a file each, finished files in a directory.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use sidetone_model::OrganizationId;
use sidetone_ports::{Part, PartName, RecordedSession, RecordingStore, StoreError};

use crate::error::OpenError;
use crate::parts::PartFiles;
use crate::probe::probe_directory;

/// The longest name of a recording: that of most file systems, with room for a suffix.
const NAME_BYTES_MAX: usize = 240;

/// Parts of running sessions, and the directory of finished recordings.
///
/// Cheap to clone. A crash of the process loses nothing; a loss of power may lose the parts of
/// the last seconds, whose originals the stream keeps.
#[derive(Debug, Clone)]
pub struct Recordings(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    parts: PartFiles,
    directory: PathBuf,
}

impl Recordings {
    /// Opens the directories of parts and of recordings, creating them if need be.
    ///
    /// Errors: [`OpenError`] if either cannot be used.
    pub fn open(parts: &Path, directory: &Path) -> Result<Self, OpenError> {
        let failed = |path: &Path| {
            let path = path.into();
            move |source| OpenError::File { path, source }
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(failed(directory))?;
        let older = parts.with_extension("db");
        if older.exists() {
            tracing::warn!(
                file = %older.display(),
                "parts of an earlier version are not read: recordings of calls that ran during the \
                 upgrade are incomplete; remove the file"
            );
        }
        let parts = PartFiles::open(parts).map_err(failed(parts))?;
        Ok(Self(Arc::new(Shared { parts, directory: directory.into() })))
    }

    /// Writes to the directories of parts and of recordings, as a check of readiness.
    ///
    /// Errors: [`StoreError::Unavailable`].
    pub async fn probe(&self) -> Result<(), StoreError> {
        probe_directory(self.0.parts.directory()).await?;
        probe_directory(&self.0.directory).await
    }

    async fn with_parts<T: Send + 'static>(
        &self,
        action: &'static str,
        work: impl FnOnce(&PartFiles) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.0);
        off_the_runtime(action, move || work(&shared.parts)).await
    }

    /// Returns the names of the finished files, in order.
    ///
    /// Errors: [`StoreError::Unavailable`].
    pub async fn names(&self) -> Result<Vec<String>, StoreError> {
        let directory = self.0.directory.clone();
        off_the_runtime("list recordings", move || {
            let mut names = Vec::new();
            for entry in fs::read_dir(directory)? {
                let name = entry?.file_name().into_string();
                names.extend(name.ok().filter(|name| is_plain(name)));
            }
            names.sort_unstable();
            Ok(names)
        })
        .await
    }

    /// Removes a finished file; what is not there is no error.
    ///
    /// Errors: [`StoreError::Unavailable`].
    pub async fn remove_recording(&self, name: &str) -> Result<(), StoreError> {
        let path = self.path_of(name)?;
        off_the_runtime("remove a recording", move || match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        })
        .await
    }

    fn path_of(&self, name: &str) -> Result<PathBuf, StoreError> {
        if is_plain(name) {
            return Ok(self.0.directory.join(name));
        }
        let why = "a name has no path separators or control characters, begins with no dot";
        Err(StoreError::unavailable("name a recording", why))
    }
}

impl RecordingStore for Recordings {
    async fn put_parts(&self, parts: Vec<Part>) -> Vec<Result<(), StoreError>> {
        const ACTION: &str = "put a part";
        let sessions: Vec<RecordedSession> = parts.iter().map(|part| part.session).collect();
        let put = self.with_parts(ACTION, move |files| Ok(files.put(&parts))).await;
        let outcome = |session: &RecordedSession| match &put {
            Ok(outcomes) => match outcomes.get(session) {
                Some(Err(error)) => Err(StoreError::unavailable(ACTION, copy_of(error))),
                Some(Ok(())) | None => Ok(()),
            },
            Err(error) => Err(StoreError::unavailable(ACTION, sidetone_ports::chain(error))),
        };
        sessions.iter().map(outcome).collect()
    }

    async fn part_names(&self, session: RecordedSession) -> Result<Vec<PartName>, StoreError> {
        self.with_parts("list parts", move |files| files.names(session)).await
    }

    async fn parts(
        &self,
        session: RecordedSession,
        names: Vec<PartName>,
    ) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.with_parts("read parts", move |files| files.read(session, &names)).await
    }

    async fn sessions_with_parts(&self) -> Result<Vec<RecordedSession>, StoreError> {
        self.with_parts("list sessions with parts", PartFiles::sessions).await
    }

    async fn remove_parts(
        &self,
        session: RecordedSession,
        names: Vec<PartName>,
    ) -> Result<(), StoreError> {
        self.with_parts("remove parts", move |files| files.remove(session, &names)).await
    }

    async fn put_recordings(
        &self,
        _: OrganizationId,
        files: Vec<(String, PathBuf)>,
    ) -> Result<String, StoreError> {
        let moves = files.into_iter().map(|(name, file)| Ok((file, self.path_of(&name)?)));
        let moves = moves.collect::<Result<Vec<_>, StoreError>>()?;
        let place = moves.last().map(|(_, path)| path.display().to_string()).unwrap_or_default();
        off_the_runtime("put a recording", move || move_whole(&moves)).await?;
        Ok(place)
    }

    async fn recording(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        let path = self.path_of(name)?;
        off_the_runtime("read a recording", move || match fs::read(&path) {
            Ok(content) => Ok(Some(Bytes::from(content))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }
}

/// An error for each part of its session.
fn copy_of(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// Returns whether a name is one of a file in a directory, and of no hidden one: those are
/// files on their way.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && !name.starts_with('.')
        && !name.chars().any(|letter| matches!(letter, '/' | '\\') || letter.is_control())
}

/// Moves files of one directory to another, one after the other, so that under each new name there
/// is the old content or the new, never a part.
fn move_whole(moves: &[(PathBuf, PathBuf)]) -> io::Result<()> {
    // The disk takes the contents of all before any has its name.
    for (from, _) in moves {
        File::open(from)?.sync_all()?;
    }
    for (from, to) in moves {
        move_one(from, to)?;
    }
    match moves.last().and_then(|(_, to)| to.parent()) {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

fn move_one(from: &Path, to: &Path) -> io::Result<()> {
    let Err(error) = fs::rename(from, to) else { return Ok(()) };
    if error.kind() != io::ErrorKind::CrossesDevices {
        return Err(error);
    }
    let mut name = std::ffi::OsString::from(".");
    name.push(to.file_name().unwrap_or_default());
    let beside = to.with_file_name(name);
    fs::copy(from, &beside)?;
    File::open(&beside)?.sync_all()?;
    fs::rename(&beside, to)?;
    fs::remove_file(from)
}

async fn off_the_runtime<T: Send + 'static>(
    action: &'static str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(|error| StoreError::unavailable(action, error)),
        Err(error) => Err(StoreError::unavailable(action, error)),
    }
}

#[cfg(test)]
mod tests {
    use sidetone_model::ConnectionId;
    use sidetone_testkit::{conformance, fresh_organization, fresh_session};

    use super::*;

    fn recordings(directory: &Path) -> Recordings {
        Recordings::open(&directory.join("parts"), &directory.join("recordings")).unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn conforms() {
        let directory = tempfile::tempdir().unwrap();
        conformance::recording_store(recordings(directory.path()), directory.path()).await;
    }

    #[tokio::test]
    async fn a_recording_moves_between_file_systems() {
        let elsewhere = Path::new("/dev/shm");
        if !elsewhere.is_dir() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let source = tempfile::NamedTempFile::new_in(elsewhere).unwrap().into_temp_path();
        fs::write(&source, b"whole").unwrap();
        let recordings = recordings(directory.path());
        let files = vec![("x.wav".to_owned(), source.to_path_buf())];
        recordings.put_recordings(fresh_organization(), files).await.unwrap();
        assert_eq!(recordings.recording("x.wav").await.unwrap().unwrap(), &b"whole"[..]);
        assert!(!source.exists());
        let left = fs::read_dir(directory.path().join("recordings")).unwrap().count();
        assert_eq!(left, 1, "nothing is left over");
    }

    #[tokio::test]
    async fn parts_outlive_the_process() {
        let directory = tempfile::tempdir().unwrap();
        let session =
            RecordedSession { organization: fresh_organization(), session: fresh_session() };
        let connection = ConnectionId::new("c/=");
        let name = PartName { connection, first: 5, last: 5, ends: false };
        let part = Part { session, name: name.clone(), data: "five".into() };
        let put = recordings(directory.path()).put_parts(vec![part]).await;
        assert!(put.into_iter().all(|put| put.is_ok()));
        let again = recordings(directory.path());
        assert_eq!(again.part_names(session).await.unwrap(), [name]);
    }
}
