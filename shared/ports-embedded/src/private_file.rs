//! Files with secrets: JSON that its owner alone may read, replaced whole or not at all.
//!
//! Refuses: a file that others may read, and to quote any of it in an error.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The largest file that is read; thousands of secrets.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The largest file that is written: what is written can always be read back.
const WRITTEN_BYTES_MAX: usize = 3 * 1024 * 1024;

/// Why a file with secrets cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// Others than its owner may use it.
    #[error(
        "{} has mode {mode:03o} and holds secrets; run chmod 600 on it",
        path.display()
    )]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is not what it should be.
    #[error("{} is not a file of secrets: error at line {line}, column {column}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where reading failed, from 1.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// It is too large to be one.
    #[error("{} has {bytes} bytes, too many for a file of secrets", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// It has no room for what is to be added.
    #[error("{} would have {bytes} bytes, of at most {bytes_max}", path.display())]
    Full {
        /// The file.
        path: PathBuf,
        /// Its size with what is to be added.
        bytes: usize,
        /// Its largest size.
        bytes_max: usize,
    },
    /// A secret that nobody could use.
    #[error("a key needs {missing}")]
    Incomplete {
        /// What it lacks, in words.
        missing: &'static str,
    },
    /// The file system refused.
    #[error("using the file of secrets {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// What changes when the file does; absent without a file.
pub(crate) type Stamp = Option<(u64, u64, i64, i64, u64, u32)>;

pub(crate) fn failed(path: &Path) -> impl Fn(io::Error) -> KeyFileError {
    move |source| KeyFileError::File { path: path.into(), source }
}

pub(crate) fn stamp(path: &Path) -> io::Result<Stamp> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(Some(stamp_of(&metadata))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn stamp_of(metadata: &Metadata) -> (u64, u64, i64, i64, u64, u32) {
    let (seconds, nanos) = (metadata.mtime(), metadata.mtime_nsec());
    (metadata.dev(), metadata.ino(), seconds, nanos, metadata.len(), metadata.mode())
}

/// Reads the file, and what it looked like when it was opened; nothing if there is none.
pub(crate) fn load<T: DeserializeOwned>(path: &Path) -> Result<(Option<T>, Stamp), KeyFileError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((None, None)),
        Err(error) => return Err(failed(path)(error)),
    };
    let metadata = file.metadata().map_err(failed(path))?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::TooOpen { path: path.into(), mode });
    }
    if metadata.len() > FILE_BYTES_MAX {
        return Err(KeyFileError::TooLarge { path: path.into(), bytes: metadata.len() });
    }
    let mut text = Vec::new();
    file.read_to_end(&mut text).map_err(failed(path))?;
    // The parser's own words may quote a secret; where it stopped is enough to find the fault.
    let document: T = serde_json::from_slice(&text).map_err(|error| KeyFileError::Malformed {
        path: path.into(),
        line: error.line(),
        column: error.column(),
    })?;
    Ok((Some(document), Some(stamp_of(&metadata))))
}

/// Replaces the file whole, by one that only its owner may read.
///
/// Errors: [`KeyFileError::Full`] if it would grow beyond what is written; the file is as it was.
pub(crate) fn save(path: &Path, document: &impl Serialize) -> Result<(), KeyFileError> {
    let text = serde_json::to_vec_pretty(document).map_err(|error| failed(path)(error.into()))?;
    let before = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let grows = u64::try_from(text.len()).is_ok_and(|bytes| bytes > before);
    if grows && text.len() > WRITTEN_BYTES_MAX {
        let (bytes, bytes_max) = (text.len(), WRITTEN_BYTES_MAX);
        return Err(KeyFileError::Full { path: path.into(), bytes, bytes_max });
    }
    write(path, text).map_err(failed(path))
}

fn write(path: &Path, mut text: Vec<u8>) -> io::Result<()> {
    text.push(b'\n');
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let beside = path.with_file_name(name);
    // What a command that was killed left behind may have any mode.
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(&text)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    File::open(directory_of(path))?.sync_all()
}

/// Locks the directory rather than the file, which is replaced.
pub(crate) fn lock_directory(path: &Path) -> io::Result<File> {
    let directory = File::open(directory_of(path))?;
    directory.lock()?;
    Ok(directory)
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
