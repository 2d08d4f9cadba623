//! SQLite and in-memory twins of every port.
//!
//! A twin in memory is the same SQLite code on a database without a file; it works on its
//! caller's thread, so that tests on a paused clock stay exact. A twin on a file works on
//! threads of its own and may be open in several processes at once.
//!
//! Refuses: knowing what the bytes mean. That is its callers' affair.

mod clients;
mod data_dir;
mod database;
mod error;
mod keys;
mod parts;
mod private_file;
mod probe;
mod recordings;
mod schema;
mod secrets;
mod simulated;
mod store;
mod stream;

pub use clients::ClientFile;
pub use data_dir::{DataDir, DataDirError};
pub use error::OpenError;
pub use keys::{KeyFile, MemoryKeys};
pub use private_file::KeyFileError;
pub use recordings::Recordings;
pub use secrets::SecretFiles;
pub use simulated::SimulatedPlatform;
pub use store::Store;
pub use stream::{NullStream, Stream};
