//! Makes scripts happen: conversations on the platform, audio on the sockets, at their times.
//!
//! Source: the simulated Genesys; audiohook.md, sections 1.5, 7 and 10.

mod course;
mod stage;
mod town;

pub use stage::{Administrator, Played, Stage};
pub use town::{Town, Traffic};
#[cfg(test)]
mod tests;
