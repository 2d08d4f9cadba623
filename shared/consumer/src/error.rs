//! What goes wrong in reading the stream and writing recordings.

use sidetone_delivery_wire::DecodeError;
use sidetone_model::{IdError, SessionId};
use sidetone_ports::{Sequence, SourceError, StoreError};

/// A stream record that this library cannot use; it is set aside, never waited for.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The data is no `CallRecords` message.
    #[error("stream record {sequence} cannot be decoded")]
    Unreadable {
        /// Its place.
        sequence: Sequence,
        /// Why.
        #[source]
        source: DecodeError,
    },
    /// An id is not written as the schema says.
    #[error("stream record {sequence} names something that has no such id")]
    Id {
        /// Its place.
        sequence: Sequence,
        /// Why.
        #[source]
        source: IdError,
    },
    /// The id of a connection is longer than any door makes one.
    #[error("stream record {sequence} names a connection in {bytes} bytes")]
    Connection {
        /// Its place.
        sequence: Sequence,
        /// The id's length.
        bytes: usize,
    },
    /// Numbers start at 1.
    #[error("stream record {sequence} holds a call record numbered {number}")]
    Number {
        /// Its place.
        sequence: Sequence,
        /// What it had.
        number: u64,
    },
}

/// Reading the stream or writing a recording failed; a fault, so trying again may help.
#[derive(Debug, thiserror::Error)]
pub enum ConsumerError {
    /// The stream could not be read.
    #[error("the stream could not be read")]
    Source(#[from] SourceError),
    /// A store did not do what it was asked.
    #[error("a store did not do what the consumer asked")]
    Store(#[from] StoreError),
    /// Part of a session was there a moment ago and is not now.
    #[error("{what} of session {session} went away while it was read")]
    Vanished {
        /// The session.
        session: SessionId,
        /// What is missing, in words.
        what: String,
    },
    /// There was no time left to finish.
    #[error("the time for session {session} ran out")]
    TimedOut {
        /// The session.
        session: SessionId,
    },
    /// A file of the recording could not be written.
    #[error("the recording of session {session} could not be written")]
    Write {
        /// The session.
        session: SessionId,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}
