//! Opens connections: private files, WAL, and a schema that is brought up to date.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::error::OpenError;

/// How long a connection waits while another process writes; a group of writes takes
/// milliseconds, an import of a large file of users a second.
const BUSY_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long to wait before trying again where SQLite does not wait by itself.
const BUSY_RETRY: Duration = Duration::from_millis(20);
/// The memory a connection that reads may use for pages; the file system has them too.
const READ_CACHE_BYTES: u32 = 2 * 1024 * 1024;
/// Prepared statements kept by a connection; more than any of ours has.
const STATEMENTS_MAX: usize = 64;

/// What is particular to one database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schema {
    /// What it is called where threads are named.
    pub(crate) name: &'static str,
    /// The statements that lead from each version to the next, from an empty file on.
    pub(crate) migrations: &'static [&'static str],
    /// The size of a page.
    pub(crate) page_bytes: u32,
    /// Whether each commit reaches the disk before it counts, so that it survives the power.
    pub(crate) survives_power_loss: bool,
    /// The memory a connection that writes may use for pages.
    pub(crate) cache_bytes: u32,
    /// How long the log may grow before its pages are moved into the file.
    pub(crate) log_bytes: u32,
}

/// Where a database is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'a> {
    Memory,
    File(&'a Path),
}

impl Place<'_> {
    pub(crate) fn path(&self) -> PathBuf {
        match self {
            Self::Memory => PathBuf::from(":memory:"),
            Self::File(path) => path.to_path_buf(),
        }
    }
}

impl Schema {
    /// Opens a connection that writes, creating the database or bringing it up to date.
    pub(crate) fn open(&self, place: Place<'_>) -> Result<Connection, OpenError> {
        let sqlite = |source| OpenError::Sqlite { path: place.path(), source };
        let connection = match place {
            Place::Memory => Connection::open_in_memory().map_err(sqlite)?,
            Place::File(path) => {
                create_private(path)
                    .map_err(|source| OpenError::File { path: path.into(), source })?;
                let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                let connection = Connection::open_with_flags(path, flags).map_err(sqlite)?;
                connection.busy_timeout(BUSY_WAIT_MAX).map_err(sqlite)?;
                self.keep_a_log(&connection).map_err(sqlite)?;
                connection
            }
        };
        self.tune(&connection, self.cache_bytes).map_err(sqlite)?;
        match self.migrate(&connection).map_err(sqlite)? {
            None => Ok(connection),
            Some(found) => Err(self.newer(place.path(), found)),
        }
    }

    /// Opens a connection that reads.
    pub(crate) fn open_to_read(&self, path: &Path) -> Result<Connection, OpenError> {
        let sqlite = |source| OpenError::Sqlite { path: path.into(), source };
        if !path.exists() {
            return Err(OpenError::Missing { path: path.into() });
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(sqlite)?;
        connection.busy_timeout(BUSY_WAIT_MAX).map_err(sqlite)?;
        self.tune(&connection, READ_CACHE_BYTES).map_err(sqlite)?;
        let found = version(&connection).map_err(sqlite)?;
        let (path, known) = (path.to_path_buf(), self.known());
        match found {
            // Created and not written yet, by a process that starts at this moment.
            0 => Err(OpenError::Missing { path }),
            found if found > known => Err(self.newer(path, found)),
            found if found < known => Err(OpenError::Older { path, found, known }),
            _ => Ok(connection),
        }
    }

    fn known(&self) -> u32 {
        u32::try_from(self.migrations.len()).expect("a handful of migrations")
    }

    fn newer(&self, path: PathBuf, found: u32) -> OpenError {
        OpenError::Newer { path, found, known: self.known() }
    }

    /// Switches to a write-ahead log, under which readers never wait for a writer.
    fn keep_a_log(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection.pragma_update(None, "page_size", self.page_bytes)?;
        // Two processes that create the same file at once: SQLite refuses one without waiting.
        let started = Instant::now();
        loop {
            match connection.pragma_update(None, "journal_mode", "wal") {
                Err(error)
                    if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                        && started.elapsed() < BUSY_WAIT_MAX =>
                {
                    std::thread::sleep(BUSY_RETRY);
                }
                result => return result,
            }
        }
    }

    fn tune(&self, connection: &Connection, cache_bytes: u32) -> rusqlite::Result<()> {
        let synchronous = if self.survives_power_loss { "full" } else { "normal" };
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.pragma_update(None, "cache_size", -i64::from(cache_bytes / 1024))?;
        connection.pragma_update(None, "wal_autocheckpoint", self.log_bytes / self.page_bytes)?;
        // After a burst the log's file goes back to a few times its usual length.
        connection.pragma_update(None, "journal_size_limit", i64::from(self.log_bytes) * 4)?;
        connection.pragma_update(None, "mmap_size", 0)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        Ok(())
    }

    /// Applies what is missing; returns the version found if it is newer than the known one.
    fn migrate(&self, connection: &Connection) -> rusqlite::Result<Option<u32>> {
        if version(connection)? == self.known() {
            return Ok(None);
        }
        connection.execute_batch("BEGIN IMMEDIATE")?;
        // Read again: another process may have been first.
        let found = version(connection)?;
        if found > self.known() {
            connection.execute_batch("ROLLBACK")?;
            return Ok(Some(found));
        }
        for migration in self.migrations.iter().skip(found as usize) {
            connection.execute_batch(migration)?;
        }
        connection.pragma_update(None, "user_version", self.known())?;
        connection.execute_batch("COMMIT")?;
        Ok(None)
    }
}

fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Creates an empty file that only its owner may read; SQLite gives its log the same mode.
///
/// A file that exists is not touched: closing a second handle on it would drop the locks that
/// SQLite holds on it in this process.
fn create_private(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const FIRST: Schema = Schema {
        name: "test",
        migrations: &["CREATE TABLE one (x INTEGER) STRICT"],
        page_bytes: 4096,
        survives_power_loss: false,
        cache_bytes: 1 << 20,
        log_bytes: 1 << 20,
    };
    const SECOND: Schema = Schema {
        migrations: &[FIRST.migrations[0], "CREATE TABLE two (x INTEGER) STRICT"],
        ..FIRST
    };

    #[test]
    fn an_older_file_is_brought_up_to_date_and_a_newer_one_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.db");
        drop(FIRST.open(Place::File(&path)).unwrap());
        let older = SECOND.open_to_read(&path).unwrap_err();
        assert!(matches!(older, OpenError::Older { found: 1, known: 2, .. }));
        let connection = SECOND.open(Place::File(&path)).unwrap();
        connection.execute_batch("INSERT INTO two VALUES (1)").unwrap();
        let newer = FIRST.open(Place::File(&path)).unwrap_err();
        assert!(
            newer
                .to_string()
                .ends_with("x.db has schema 2 and this version knows 1; use the newer sidetone"),
            "{newer}"
        );
        let newer = FIRST.open_to_read(&path).unwrap_err();
        assert!(matches!(newer, OpenError::Newer { found: 2, known: 1, .. }));
    }

    #[test]
    fn a_file_is_created_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.db");
        let connection = FIRST.open(Place::File(&path)).unwrap();
        connection.execute_batch("INSERT INTO one VALUES (1)").unwrap();
        for name in ["x.db", "x.db-wal"] {
            let mode = directory.path().join(name).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn what_is_not_there_or_not_a_database_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.db");
        assert!(matches!(FIRST.open_to_read(&path), Err(OpenError::Missing { .. })));
        assert!(!path.exists());
        std::fs::write(&path, [b'x'; 8192]).unwrap();
        assert!(matches!(FIRST.open(Place::File(&path)), Err(OpenError::Sqlite { .. })));
        let nowhere = directory.path().join("missing/x.db");
        assert!(matches!(FIRST.open(Place::File(&nowhere)), Err(OpenError::File { .. })));
    }

    #[test]
    fn many_may_create_the_same_file_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.db");
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..8).map(|_| scope.spawn(|| SECOND.open(Place::File(&path)).map(drop))).collect();
            for thread in threads {
                thread.join().unwrap().unwrap();
            }
        });
    }
}
