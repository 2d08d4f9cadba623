//! What tests share: the conformance suite of the ports, fresh ids, faulty wrappers, a line that
//! notes what is said.
//!
//! Refuses: being part of a product. Only tests and examples depend on this crate.

pub mod conformance;
mod faulty;
mod fresh;
mod memory_line;
pub mod transcripts;

pub use faulty::{FaultySink, PutFault};
pub use fresh::{
    fresh_connection, fresh_conversation, fresh_key, fresh_organization, fresh_owner,
    fresh_session, fresh_text,
};
pub use memory_line::{LineFault, MemoryLine};
