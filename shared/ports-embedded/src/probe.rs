//! Whether a database and a directory can be written and read, tried out on them.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use sidetone_ports::StoreError;

use crate::database::Database;
use crate::error::DatabaseError;
use crate::schema::Schema;

/// What is written into a directory: more than file systems keep free in a block that is begun.
const PROBE_BYTES: usize = 256 * 1024;

/// The name of that file; recordings begin with no dot.
const PROBE_FILE: &str = ".probe";

/// The largest database that is checked page by page; of a larger one only its tables are listed.
const CHECKED_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// A database that a probe opens anew, as its connections remember pages.
#[derive(Debug)]
pub(crate) struct Probed {
    path: Option<PathBuf>,
    schema: &'static Schema,
}

impl Probed {
    pub(crate) const fn new(path: Option<PathBuf>, schema: &'static Schema) -> Self {
        Self { path, schema }
    }

    /// Writes a page of the database, and reads it by a connection of its own.
    pub(crate) async fn probe(&self, database: &Database) -> Result<(), StoreError> {
        let failed = |error: DatabaseError| StoreError::unavailable("write to a database", error);
        database.write(0, rewrite_version, |()| {}).await.map_err(failed)?;
        let Some(path) = self.path.clone() else { return Ok(()) };
        let schema = self.schema;
        blocking("read a database", move || check(&path, schema)).await
    }
}

/// Writes the version that is there: a page that goes through the log like any other.
fn rewrite_version(connection: &Connection) -> rusqlite::Result<()> {
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    connection.pragma_update(None, "user_version", version)
}

fn check(path: &Path, schema: &Schema) -> Result<(), Cause> {
    let connection = schema.open_to_read(path)?;
    let tables = "SELECT count(*) FROM sqlite_schema";
    connection.query_row(tables, [], |row| row.get::<_, i64>(0))?;
    if path.metadata()?.len() > CHECKED_BYTES_MAX {
        return Ok(());
    }
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err("the database is damaged".into()) }
}

/// Writes a file into a directory and removes it.
pub(crate) async fn probe_directory(directory: &Path) -> Result<(), StoreError> {
    let path = directory.join(PROBE_FILE);
    blocking("write to the disk", move || {
        let written = write(&path);
        // What could not be written whole takes space all the same.
        let removed = std::fs::remove_file(&path);
        written.and(removed).map_err(Into::into)
    })
    .await
}

fn write(path: &Path) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(&vec![0x5a; PROBE_BYTES])
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

async fn blocking(
    action: &'static str,
    work: impl FnOnce() -> Result<(), Cause> + Send + 'static,
) -> Result<(), StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| StoreError::unavailable(action, error))?
        .map_err(|error| StoreError::unavailable(action, error))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use crate::{Recordings, Store};

    #[tokio::test]
    async fn store_that_works_passes_its_probe_again_and_again() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("store.db")).unwrap();
        for _ in 0..3 {
            store.probe().await.unwrap();
        }
        Store::in_memory().unwrap().probe().await.unwrap();
    }

    #[tokio::test]
    async fn damaged_database_fails_its_probe() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.db");
        let store = Store::open(&path).unwrap();
        store.probe().await.unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        let bytes = usize::try_from(file.metadata().unwrap().len()).unwrap();
        file.write_all_at(&vec![0xa5; bytes.max(65_536)], 0).unwrap();
        std::fs::remove_file(directory.path().join("store.db-wal")).unwrap();
        let error = store.probe().await.unwrap_err();
        assert!(sidetone_ports::chain(&error).contains("database"), "{error}");
    }

    #[tokio::test]
    async fn directory_that_is_gone_fails_its_probe_until_it_is_back() {
        let directory = tempfile::tempdir().unwrap();
        let (parts, done) = (directory.path().join("parts"), directory.path().join("done"));
        let recordings = Recordings::open(&parts, &done).unwrap();
        for place in [parts, done] {
            std::fs::remove_dir(&place).unwrap();
            assert!(recordings.probe().await.is_err());
            std::fs::create_dir(&place).unwrap();
            recordings.probe().await.unwrap();
            assert_eq!(std::fs::read_dir(&place).unwrap().count(), 0, "nothing is left behind");
        }
    }
}
