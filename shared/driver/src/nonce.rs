//! The memory of nonces that all doors share, asked with a limit.

use std::time::Duration;

use sidetone_ports::{Clock, Freshness, NonceCheck, NonceStore, chain};

/// Asks the shared memory about a nonce, which it remembers from then on; takes it for fresh
/// if there is no answer within `limit`.
///
/// A call is worth more than a replay that a door's own memory would catch too, so what could
/// not be asked is counted and let in.
pub async fn ask_shared<S: NonceStore>(
    store: &S,
    clock: &Clock,
    nonce: &NonceCheck,
    limit: Duration,
) -> Freshness {
    let asked = store.remember(&nonce.key_id, &nonce.nonce, nonce.until, clock.now());
    match clock.timeout(limit, asked).await {
        Some(Ok(freshness)) => freshness,
        answer => {
            metrics::counter!("sidetone_nonces_unchecked_total").increment(1);
            let error = answer.and_then(Result::err).map(|error| chain(&error));
            tracing::error!(error = error.as_deref(), "shared nonce memory did not answer");
            Freshness::Fresh
        }
    }
}
