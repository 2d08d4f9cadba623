//! The stream on Kinesis.
//!
//! **Places.** Kinesis numbers the records of each shard with up to 186 bits, and shards have no
//! order between them, so that no `u64` can name a record's place for everybody. A
//! [`KinesisSource`] therefore counts the records in the order in which it read them: its places
//! are good for itself and its clones, as long as the process lives, and mean nothing elsewhere.
//! What a [`KinesisSink`] answers counts what it put. Nothing that outlives a process may be keyed
//! by either; a record's own key is (session, connection, number).

mod body;
mod lineage;
mod log;
mod sink;
mod source;

pub use sink::KinesisSink;
pub use source::{Begin, KinesisSource};
