//! What every twin of a port must do, one function a port; each panics where a twin does not.
//!
//! The suite uses fresh ids throughout, so it may run against a store that others use. Its
//! moments lie around the present, so that a store which deletes what has expired by its own
//! clock passes too.

mod calls;
mod connections;
mod leases;
mod mailbox;
mod organization_secrets;
mod organizations;
mod owners;
mod recordings;
mod secrets;
mod stream;
mod users;

use sidetone_model::Timestamp;
use sidetone_ports::{Clock, StoreError};

pub use calls::{call_store, nonce_store};
pub use connections::connections;
pub use leases::leases;
pub use mailbox::mailbox;
pub use organization_secrets::organization_secrets;
pub use organizations::organization_store;
pub use owners::owner_store;
pub use recordings::recording_store;
pub use secrets::secret_source;
pub use stream::{checkpoints, stream, stream_counted_by_its_reader};
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use sidetone_ports::{Checkpoints, Freshness, NonceStore, Sequence};

    use super::*;

    #[derive(Debug, Clone, Default)]
    struct Careless(Arc<Mutex<Vec<(String, Sequence)>>>);

    impl Checkpoints for Careless {
        async fn checkpoint(&self, consumer: &str) -> Result<Sequence, StoreError> {
            let saved = self.0.lock().expect("not poisoned");
            let last = saved.iter().rev().find(|(name, _)| name == consumer);
            Ok(last.map_or(0, |(_, sequence)| *sequence))
        }

        async fn save_checkpoint(
            &self,
            consumer: &str,
            sequence: Sequence,
        ) -> Result<(), StoreError> {
            self.0.lock().expect("not poisoned").push((consumer.into(), sequence));
            Ok(())
        }
    }

    impl NonceStore for Careless {
        async fn remember(
            &self,
            key_id: &str,
            nonce: &str,
            _until: Timestamp,
            _now: Timestamp,
        ) -> Result<Freshness, StoreError> {
            let name = format!("{key_id}/{nonce}");
            let seen = self.0.lock().expect("not poisoned").iter().any(|(one, _)| *one == name);
            // Others come in between the look and the note.
            tokio::task::yield_now().await;
            self.0.lock().expect("not poisoned").push((name, 0));
            Ok(if seen { Freshness::Seen } else { Freshness::Fresh })
        }
    }

    #[tokio::test]
    #[should_panic(expected = "a checkpoint must never go back")]
    async fn a_checkpoint_that_goes_back_is_noticed() {
        checkpoints(Careless::default()).await;
    }

    #[tokio::test]
    #[should_panic(expected = "exactly one must be fresh")]
    async fn a_race_that_several_win_is_noticed() {
        nonce_store(Careless::default()).await;
    }
}
