//! Why a conversation was delivered, or was not: its timeline, and the cause in words.
//!
//! [`gather()`] reads what stores and stream know of it; [`explain()`] is a function of that alone.

mod cause;
mod explanation;
mod facts;
mod gather;
mod picture;
#[cfg(test)]
mod tests;
mod timeline;

pub use cause::Cause;
pub use explanation::{CallExplained, Explanation, SessionExplained, explain};
pub use facts::{Audio, Facts, Told};
pub use gather::{GatherError, StreamFacts, gather, read_stream};
pub use timeline::{Entry, What};
