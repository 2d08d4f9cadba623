//! What tests share: the conformance suite of the ports, fresh ids, faulty wrappers.
//!
//! Refuses: being part of a product. Only tests and examples depend on this crate.

pub mod conformance;
mod faulty;
mod fresh;

pub use faulty::{FaultySink, PutFault};
pub use fresh::{
    fresh_conversation, fresh_key, fresh_organization, fresh_owner, fresh_session, fresh_text,
};
