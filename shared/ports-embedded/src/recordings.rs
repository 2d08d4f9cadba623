//! Recordings: parts of running sessions in a database, finished files in a directory.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};
use sidetone_model::{OrganizationId, SessionId};
use sidetone_ports::{PartName, RecordedSession, RecordingStore, StoreError};
use uuid::Uuid;

use crate::database::Database;
use crate::error::OpenError;
use crate::probe::{Probed, probe_directory};
use crate::schema::{Place, Schema};

const SCHEMA: Schema = Schema {
    name: "parts",
    migrations: &[
        "
        CREATE TABLE parts (
            session  BLOB    NOT NULL,
            sequence INTEGER NOT NULL,
            data     BLOB    NOT NULL,
            PRIMARY KEY (session, sequence)
        ) STRICT;
    ",
        "
        ALTER TABLE parts RENAME TO numbered_parts;
        CREATE TABLE parts (
            session BLOB NOT NULL,
            name    TEXT NOT NULL,
            data    BLOB NOT NULL,
            PRIMARY KEY (session, name)
        ) STRICT;
        -- What is in them is not known here. Each is looked at as if a session ended in it.
        INSERT INTO parts
            SELECT session, printf('.%020d-%020d.end', sequence, sequence), data
            FROM numbered_parts;
        DROP TABLE numbered_parts;
    ",
        "
        ALTER TABLE parts RENAME TO unowned_parts;
        CREATE TABLE parts (
            organization BLOB NOT NULL,
            session      BLOB NOT NULL,
            name         TEXT NOT NULL,
            data         BLOB NOT NULL,
            PRIMARY KEY (organization, session, name)
        ) STRICT;
        -- The organization is only in the data. These are read beside those of each
        -- organization, and the recorder keeps its own.
        INSERT INTO parts SELECT zeroblob(16), session, name, data FROM unowned_parts;
        DROP TABLE unowned_parts;
    ",
    ],
    page_bytes: 16 * 1024,
    // Parts come one by one, and each would wait for the disk. They are copies: the stream
    // keeps the original for a day.
    survives_power_loss: false,
    cache_bytes: 16 * 1024 * 1024,
    log_bytes: 16 * 1024 * 1024,
};

/// The longest name of a recording: that of most file systems, with room for a suffix.
const NAME_BYTES_MAX: usize = 240;
/// Selects the parts of one session: its organization's, and those of unknown organization that
/// an older version wrote.
const OF_SESSION: &str = "organization IN (?1, zeroblob(16)) AND session = ?2";
/// About what a write holds in memory besides its bytes.
const WRITE_BYTES: usize = 256;
/// About what a part's name holds.
const NAME_BYTES: usize = 128;

/// Parts of running sessions, and the directory of finished recordings.
///
/// Cheap to clone. A crash of the process loses nothing; a loss of power may lose the parts of
/// the last seconds, whose originals the stream keeps.
#[derive(Debug, Clone)]
pub struct Recordings(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    parts: Database,
    probed: Probed,
    directory: PathBuf,
}

impl Recordings {
    /// Opens the parts in a file and the directory of recordings, creating both if need be.
    ///
    /// Errors: [`OpenError`] if a newer version wrote the parts, or either cannot be used.
    pub fn open(parts: &Path, directory: &Path) -> Result<Self, OpenError> {
        Self::over(Place::File(parts), directory)
    }

    /// Keeps parts in memory; finished recordings still go to a directory.
    ///
    /// Errors: [`OpenError`] if the directory cannot be used.
    pub fn in_memory(directory: &Path) -> Result<Self, OpenError> {
        Self::over(Place::Memory, directory)
    }

    fn over(place: Place<'_>, directory: &Path) -> Result<Self, OpenError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|source| OpenError::File { path: directory.into(), source })?;
        let parts = Database::open(place, &SCHEMA)?;
        let path = match place {
            Place::Memory => None,
            Place::File(path) => Some(path.to_path_buf()),
        };
        let probed = Probed::new(path, &SCHEMA);
        Ok(Self(Arc::new(Shared { parts, probed, directory: directory.into() })))
    }

    /// Writes to the database of parts and to the directory of recordings, and reads the
    /// database, as a check of readiness.
    ///
    /// Errors: [`StoreError::Unavailable`].
    pub async fn probe(&self) -> Result<(), StoreError> {
        self.0.probed.probe(&self.0.parts).await?;
        probe_directory(&self.0.directory).await
    }

    async fn write(
        &self,
        action: &'static str,
        bytes: usize,
        work: impl FnOnce(&Connection) -> rusqlite::Result<usize> + Send + 'static,
    ) -> Result<(), StoreError> {
        let written = self.0.parts.write(WRITE_BYTES + bytes, work, |_| {}).await;
        written.map(drop).map_err(|error| StoreError::unavailable(action, error))
    }

    async fn read<T: Send + 'static>(
        &self,
        action: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.0.parts.read(work).await.map_err(|error| StoreError::unavailable(action, error))
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
    async fn put_part(
        &self,
        session: RecordedSession,
        name: PartName,
        data: Bytes,
    ) -> Result<(), StoreError> {
        self.write("put a part", data.len(), move |connection| {
            connection
                .prepare_cached(
                    "INSERT OR IGNORE INTO parts (organization, session, name, data)
                     VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![
                    session.organization.uuid().as_bytes(),
                    session.session.uuid().as_bytes(),
                    name.to_string(),
                    &data[..]
                ])
        })
        .await
    }

    async fn part_names(&self, session: RecordedSession) -> Result<Vec<PartName>, StoreError> {
        let texts: Vec<String> = self
            .read("list parts", move |connection| {
                connection
                    .prepare_cached(&format!("SELECT name FROM parts WHERE {OF_SESSION}"))?
                    .query_map(params_of(&session), |row| row.get(0))?
                    .collect()
            })
            .await?;
        let names: Result<Vec<PartName>, _> = texts.iter().map(|text| text.parse()).collect();
        let mut names = names.map_err(|error| StoreError::unavailable("list parts", error))?;
        names.sort_unstable();
        Ok(names)
    }

    async fn part(
        &self,
        session: RecordedSession,
        name: &PartName,
    ) -> Result<Option<Bytes>, StoreError> {
        let name = name.to_string();
        let data = self.read("read a part", move |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT data FROM parts WHERE {OF_SESSION} AND name = ?3"
                ))?
                .query_row(
                    params![
                        session.organization.uuid().as_bytes(),
                        session.session.uuid().as_bytes(),
                        name
                    ],
                    |row| row.get::<_, Vec<u8>>(0),
                )
                .optional()
        });
        Ok(data.await?.map(Bytes::from))
    }

    async fn sessions_with_parts(&self) -> Result<Vec<RecordedSession>, StoreError> {
        self.read("list sessions with parts", |connection| {
            // One seek a session; DISTINCT would walk over every part.
            let mut next = connection.prepare_cached(
                "SELECT organization, session FROM parts
                 WHERE (organization, session) > (?1, ?2)
                 ORDER BY organization, session LIMIT 1",
            )?;
            let session_at =
                |row: &Row<'_>| Ok((Uuid::from_bytes(row.get(0)?), Uuid::from_bytes(row.get(1)?)));
            let mut sessions = Vec::new();
            let mut last: (Vec<u8>, Vec<u8>) = Default::default();
            while let Some((organization, session)) =
                next.query_row(params![last.0, last.1], session_at).optional()?
            {
                last = (organization.as_bytes().to_vec(), session.as_bytes().to_vec());
                sessions.push(RecordedSession {
                    organization: OrganizationId::new(organization),
                    session: SessionId::new(session),
                });
            }
            Ok(sessions)
        })
        .await
    }

    async fn remove_parts(
        &self,
        session: RecordedSession,
        names: Vec<PartName>,
    ) -> Result<(), StoreError> {
        let bytes = names.len() * NAME_BYTES;
        self.write("remove parts", bytes, move |connection| {
            let mut remove = connection
                .prepare_cached(&format!("DELETE FROM parts WHERE {OF_SESSION} AND name = ?3"))?;
            let mut removed = 0;
            for name in names {
                removed += remove.execute(params![
                    session.organization.uuid().as_bytes(),
                    session.session.uuid().as_bytes(),
                    name.to_string()
                ])?;
            }
            Ok(removed)
        })
        .await
    }

    async fn put_recording(
        &self,
        _: OrganizationId,
        name: &str,
        file: PathBuf,
    ) -> Result<String, StoreError> {
        let path = self.path_of(name)?;
        let place = path.display().to_string();
        off_the_runtime("put a recording", move || move_whole(&file, &path)).await?;
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

fn params_of(session: &RecordedSession) -> [[u8; 16]; 2] {
    [session.organization.uuid().into_bytes(), session.session.uuid().into_bytes()]
}

/// Returns whether a name is one of a file in a directory, and of no hidden one: those are
/// files on their way.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && !name.starts_with('.')
        && !name.chars().any(|letter| matches!(letter, '/' | '\\') || letter.is_control())
}

/// Moves a file, so that under the new name there is the old content or the new, never a part.
fn move_whole(from: &Path, to: &Path) -> io::Result<()> {
    File::open(from)?.sync_all()?;
    if let Err(error) = fs::rename(from, to) {
        if error.kind() != io::ErrorKind::CrossesDevices {
            return Err(error);
        }
        let mut name = std::ffi::OsString::from(".");
        name.push(to.file_name().unwrap_or_default());
        let beside = to.with_file_name(name);
        fs::copy(from, &beside)?;
        File::open(&beside)?.sync_all()?;
        fs::rename(&beside, to)?;
        fs::remove_file(from)?;
    }
    match to.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
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

    fn fresh_recorded_session() -> RecordedSession {
        RecordedSession { organization: fresh_organization(), session: fresh_session() }
    }

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn conforms_on_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let parts = directory.path().join("parts.db");
        let recordings = Recordings::open(&parts, &directory.path().join("recordings")).unwrap();
        conformance::recording_store(recordings, directory.path()).await;
    }

    #[tokio::test]
    async fn conforms_in_memory() {
        let directory = tempfile::tempdir().unwrap();
        let recordings = Recordings::in_memory(&directory.path().join("recordings")).unwrap();
        conformance::recording_store(recordings, directory.path()).await;
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
        let recordings = Recordings::in_memory(directory.path()).unwrap();
        recordings
            .put_recording(fresh_organization(), "x.wav", source.to_path_buf())
            .await
            .unwrap();
        assert_eq!(recordings.recording("x.wav").await.unwrap().unwrap(), &b"whole"[..]);
        assert!(!source.exists());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left over");
    }

    fn name(number: u64) -> PartName {
        let connection = ConnectionId::new("c/=");
        PartName { connection, first: number, last: number, ends: false }
    }

    #[tokio::test]
    async fn parts_outlive_the_process() {
        let directory = tempfile::tempdir().unwrap();
        let parts = directory.path().join("parts.db");
        let session = fresh_recorded_session();
        let recordings = Recordings::open(&parts, directory.path()).unwrap();
        recordings.put_part(session, name(5), "five".into()).await.unwrap();
        let again = Recordings::open(&parts, directory.path()).unwrap();
        assert_eq!(again.part_names(session).await.unwrap(), [name(5)]);
    }

    #[tokio::test]
    async fn parts_that_an_older_version_numbered_are_still_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("parts.db");
        let session = fresh_recorded_session();
        let older = Connection::open(&path).unwrap();
        older.execute_batch(SCHEMA.migrations[0]).unwrap();
        older.pragma_update(None, "user_version", 1).unwrap();
        let bytes = session.session.uuid();
        older
            .execute("INSERT INTO parts VALUES (?1, 70, 'seventy')", [bytes.as_bytes()])
            .unwrap_err();
        older.execute("INSERT INTO parts VALUES (?1, 70, x'3730')", [bytes.as_bytes()]).unwrap();
        drop(older);
        let recordings = Recordings::open(&path, directory.path()).unwrap();
        let names = recordings.part_names(session).await.unwrap();
        assert_eq!(
            names.iter().map(|name| (name.first, name.ends)).collect::<Vec<_>>(),
            [(70, true)]
        );
        let data = recordings.part(session, &names[0]).await.unwrap();
        assert_eq!(data.as_deref(), Some(&b"70"[..]));
    }
}
