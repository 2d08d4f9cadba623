//! What goes wrong behind a port. All of these are faults: the caller retries or goes on
//! without; none of them is the peer's doing.

use std::error::Error;

type Cause = Box<dyn Error + Send + Sync>;

/// A store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another writer was first; read again and start over.
    #[error("{item} of {partition} is at another revision than {expected}")]
    Conflict {
        /// The partition.
        partition: String,
        /// The item.
        item: String,
        /// The revision the writer had read.
        expected: u64,
    },
    /// The store could not be reached or refused to work.
    #[error("the store failed to {action}")]
    Unavailable {
        /// What was tried, as an infinitive.
        action: &'static str,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The store holds something that this version cannot read.
    #[error("{what} in the store cannot be read")]
    Unreadable {
        /// Which item.
        what: String,
        /// Why.
        #[source]
        source: Cause,
    },
}

impl StoreError {
    /// Wraps a cause.
    pub fn unavailable(action: &'static str, source: impl Into<Cause>) -> Self {
        Self::Unavailable { action, source: source.into() }
    }

    /// Returns whether another writer was first.
    pub const fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. })
    }
}

/// The stream did not answer a whole request; nothing is known of its records.
#[derive(Debug, thiserror::Error)]
#[error("the stream did not answer a put of {records} records")]
pub struct SinkError {
    /// How many records are in doubt.
    pub records: usize,
    /// Why.
    #[source]
    pub source: Cause,
}

/// The stream could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the stream could not be read after {after}")]
pub struct SourceError {
    /// The last sequence that was read.
    pub after: u64,
    /// Why.
    #[source]
    pub source: Cause,
}

/// Writes an error and its causes in one line, for the log at a door: a library's error may
/// quote what came from outside, so control characters are escaped.
pub fn chain(error: &dyn Error) -> String {
    let text = whole_chain(error);
    if !text.contains(char::is_control) {
        return text;
    }
    text.chars().fold(String::new(), |mut line, letter| {
        if letter.is_control() {
            line.extend(letter.escape_default());
        } else {
            line.push(letter);
        }
        line
    })
}

fn whole_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
