//! Legs on their way into the store, and calls that had no audio on theirs into the stream.

mod partition;
mod publish;
mod worker;

pub(crate) use worker::{WORKERS, Worker};
