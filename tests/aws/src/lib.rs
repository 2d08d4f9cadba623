//! The system on a local AWS: starts it, deploys the template, and lends a hand to the tests of
//! what runs there.

mod front;

pub use front::{Api, AskConnect, Front, FrontConfig, Limits};
