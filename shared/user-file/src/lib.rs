//! The administrators' CSV file: rows to users, or every bad row by number and reason.
//!
//! Refuses: guessing. A file with one bad row gives no users at all, and two people who share
//! a telephony agent id are both bad rows: audio would go to the wrong one.

mod columns;
mod escape;
mod fields;
mod read;
mod write;

pub use columns::{COLUMNS, SAMPLE};
pub use fields::{FIELD_BYTES_MAX, FieldError, Fields};
pub use read::{FILE_BYTES_MAX, FileError, ROWS_MAX, RowError, UserFile, read};
pub use write::write;
