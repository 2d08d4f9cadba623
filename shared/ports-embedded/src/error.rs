//! What goes wrong with a database file.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A newer version of Sidetone wrote it.
    #[error(
        "{} has schema {found} and this version knows {known}; use the newer sidetone",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The newest schema known here.
        known: u32,
    },
    /// An older version wrote it, and reading alone cannot bring it up to date.
    #[error(
        "{} has schema {found} and this version reads {known}; start sidetone on it once",
        path.display()
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The schema that is read here.
        known: u32,
    },
    /// There is nothing to read.
    #[error("{} does not exist; nothing was written there yet", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("creating {}", path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// SQLite refused.
    #[error("opening {}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
}

/// Why a database did not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    /// Too much waits already; nothing was done.
    #[error("too much waits for the database already")]
    Full,
    /// The thread behind is gone; whether the work was done is not known.
    #[error("the thread of the database has ended")]
    Ended,
    /// It was opened for reading.
    #[error("the database was opened for reading alone")]
    ReadOnly,
    /// SQLite refused; everything of the same transaction shares the reason.
    #[error("sqlite refused")]
    Sqlite(#[source] Arc<rusqlite::Error>),
}
