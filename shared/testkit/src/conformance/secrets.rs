//! AudioHook keys.

use sidetone_ports::{SecretSource, StoredKey};

use super::done;
use crate::fresh::fresh_text;

/// Checks a [`SecretSource`] that holds `stored`. Panics where it falls short.
pub async fn secret_source<S: SecretSource>(source: S, stored: StoredKey) {
    let found = done("reading a key", source.key(&stored.key_id).await);
    // Not assert_eq: a failing test must not print secrets either.
    assert!(found.as_ref() == Some(&stored), "the key must come back as it was stored");
    let again = done("reading a key again", source.key(&stored.key_id).await);
    assert!(again == found, "reading must not change anything");
    for unknown in ["", &fresh_text("key"), &format!("{} ", stored.key_id)] {
        assert!(
            done("reading an unknown key", source.key(unknown).await).is_none(),
            "a key id that nobody stored must find nothing"
        );
    }
}
