//! The administrators' CSV file: rows to users, or every bad row by number and reason.
//!
//! Refuses: guessing. A file with one bad row gives no users at all, and two people who share
//! a telephony agent id are both bad rows: audio would go to the wrong one.

mod columns;
mod read;
mod write;

pub use columns::{COLUMNS, SAMPLE};
pub use read::{FileError, RowError, UserFile, read};
pub use write::write;
