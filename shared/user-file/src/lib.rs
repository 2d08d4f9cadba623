//! The administrators' CSV file: rows to users, or every bad row by number and reason.
//!
//! Refuses: guessing. A file with one bad row gives no users at all, and two people who share
//! a telephony agent id are both bad rows: audio would go to the wrong one.

mod characters;
mod closest;
mod columns;
mod decode;
mod escape;
mod fault;
mod fields;
mod header;
mod read;
mod rows;
mod write;

pub use characters::visible;
pub use columns::{COLUMNS, SAMPLE};
pub use decode::{FILE_BYTES_MAX, TextEncoding, UnknownEncoding};
pub use fault::{FaultKind, FieldError, FileError, RowError, RowErrors};
pub use fields::{FIELD_BYTES_MAX, Fields, agent_id, doubts};
pub use header::{ColumnMapping, NoMapping};
pub use read::{ROWS_MAX, ReadOptions, UserFile, read};
pub use write::{FileStyle, write};
