//! Nonces: one statement decides who was first.

use rusqlite::params;
use sidetone_model::Timestamp;
use sidetone_ports::{Freshness, NonceStore, StoreError};

use super::{Store, purge};

impl NonceStore for Store {
    async fn remember(
        &self,
        key_id: &str,
        nonce: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Freshness, StoreError> {
        let (key_id, nonce, purge_at) = (key_id.to_owned(), nonce.to_owned(), self.purge_due(now));
        self.write("remember a nonce", 0, move |connection| {
            if let Some(now) = purge_at {
                purge(connection, now)?;
            }
            let written = connection
                .prepare_cached(
                    "INSERT INTO nonces (key_id, nonce, until) VALUES (?1, ?2, ?3)
                     ON CONFLICT DO UPDATE SET until = excluded.until WHERE until <= ?4",
                )?
                .execute(params![key_id, nonce, until.as_micros(), now.as_micros()])?;
            Ok(if written == 0 { Freshness::Seen } else { Freshness::Fresh })
        })
        .await
    }
}
