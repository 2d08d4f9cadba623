//! Conversations that every door must hold alike: what a client says, what it hears, and what
//! the stream is told of it.
//!
//! They are without audio, so that doors which cannot hear take part. A door is played against
//! through [`Door`] and [`Line`]; what may differ between two doors or two runs is left out in
//! one place, the module `normal`. A door under test has to listen always, or to hear nothing.

mod normal;
mod play;
mod script;
mod table;
#[cfg(test)]
mod tests;

use std::future::Future;

use sidetone_delivery_wire::CallRecord;
use sidetone_model::{OrganizationId, SessionId};

pub use play::{play, play_all};
pub use script::Transcript;
pub use table::all;

/// What a transcript asks of the way between client and door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing that not every way offers.
    Nothing,
    /// Messages come once and in order, so that one out of order is the client's fault.
    Order,
    /// Messages of 64,000 bytes and more come through.
    LargeMessages,
    /// Time passes fast enough to wait for deadlines of half a minute.
    Deadlines,
}

/// Who connects; the handshake is a good one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visitor {
    /// Whose credentials they are.
    pub organization: OrganizationId,
    /// The session announced.
    pub session: SessionId,
}

/// A door under test, with everything behind it.
pub trait Door {
    /// What a client holds of a connection.
    type Line: Line;

    /// Returns the organization whose credentials the door knows.
    fn organization(&self) -> OrganizationId;

    /// Returns whether the way to this door offers something.
    fn offers(&self, needs: Needs) -> bool;

    /// Connects.
    fn connect(&self, visitor: Visitor) -> impl Future<Output = Self::Line>;

    /// Waits until a session is over and delivered, and returns all that the stream holds of it.
    fn records(&self, visitor: Visitor) -> impl Future<Output = Vec<CallRecord>>;
}

/// A client's end of a connection.
pub trait Line {
    /// Says something.
    fn say(&mut self, text: String) -> impl Future<Output = ()>;

    /// Waits for what the door says next; nothing if it has closed the connection, or is silent
    /// for longer than any deadline lasts.
    fn hear(&mut self) -> impl Future<Output = Option<String>>;

    /// Leaves, without a word.
    fn leave(self) -> impl Future<Output = ()>;
}
