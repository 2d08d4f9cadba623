//! What every twin of a port must do, one function a port; each panics where a twin does not.
//!
//! The suite uses fresh ids throughout, so it may run against a store that others use. Its
//! moments lie around the present, so that a store which deletes what has expired by its own
//! clock passes too.

mod calls;
mod mailbox;
mod owners;
mod recordings;
mod secrets;
mod stream;
mod users;

use sidetone_model::Timestamp;
use sidetone_ports::{Clock, StoreError};

pub use calls::{call_store, nonce_store};
pub use mailbox::mailbox;
pub use owners::owner_store;
pub use recordings::recording_store;
pub use secrets::secret_source;
pub use stream::{checkpoints, stream};
pub use users::user_store;

/// How many writers race in the tests of races.
const RACERS: usize = 8;

fn present() -> Timestamp {
    Clock::system().now()
}

/// Unwraps an answer, or says what was tried and why it failed.
#[track_caller]
fn done<T>(what: &str, result: Result<T, StoreError>) -> T {
    result.unwrap_or_else(|error| panic!("{what} must work, got: {error} ({error:?})"))
}
