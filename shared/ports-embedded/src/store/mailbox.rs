//! Letters, durable so that any process can post and told at once within this one.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, params};
use sidetone_model::{ConversationKey, OwnerId, Timestamp};
use sidetone_ports::{Mailbox, StoreError};
use tokio::time::Instant;

use super::{Store, WRITE_BYTES, key_at, purge};
use crate::database::POLL_EVERY;

impl Mailbox for Store {
    async fn post(
        &self,
        to: &OwnerId,
        key: ConversationKey,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (to, purge_at) = (to.clone(), self.purge_due(now));
        let work = move |connection: &Connection| {
            if let Some(now) = purge_at {
                purge(connection, now)?;
            }
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO letters (owner, organization, conversation, posted_at)
                     VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![
                    to.as_str(),
                    key.organization.uuid().as_bytes(),
                    key.conversation.uuid().as_bytes(),
                    now.as_micros()
                ])
        };
        let posted = Arc::clone(&self.0.posted);
        let written =
            self.0.database.write(WRITE_BYTES, work, move |_| posted.notify_waiters()).await;
        written.map(drop).map_err(|error| StoreError::unavailable("post a letter", error))
    }

    /// Dropping this future loses no letter: what it took is handed to the next.
    async fn take(
        &self,
        owner: &OwnerId,
        wait: Duration,
    ) -> Result<Vec<ConversationKey>, StoreError> {
        let until = Instant::now() + wait;
        loop {
            // Enabled before looking: what is posted after the look is not missed.
            let mut posted = std::pin::pin!(self.0.posted.notified());
            posted.as_mut().enable();
            self.collect(owner).await?;
            let letters = self.empty_pocket(owner);
            let now = Instant::now();
            if !letters.is_empty() || now >= until {
                return Ok(letters);
            }
            let mut pause = until - now;
            if self.0.database.is_shared() {
                pause = pause.min(POLL_EVERY);
            }
            let _ = tokio::time::timeout(pause, posted).await;
        }
    }
}

impl Store {
    /// Moves an owner's letters from the database into its pocket.
    async fn collect(&self, owner: &OwnerId) -> Result<(), StoreError> {
        let failed = |error| StoreError::unavailable("take letters", error);
        if self.0.database.is_shared() && !self.has_letters(owner).await? {
            return Ok(());
        }
        let (name, pocket) = (owner.clone(), owner.clone());
        let work = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(
                "DELETE FROM letters WHERE owner = ?1 RETURNING organization, conversation",
            )?;
            let letters = statement.query_map([name.as_str()], |row| key_at(row, 0))?;
            letters.collect::<rusqlite::Result<Vec<_>>>()
        };
        let pockets = Arc::clone(&self.0.pockets);
        let keep = move |letters: &Vec<ConversationKey>| {
            if !letters.is_empty() {
                let mut pockets = pockets.lock().unwrap_or_else(PoisonError::into_inner);
                pockets.entry(pocket).or_default().extend(letters);
            }
        };
        self.0.database.write(WRITE_BYTES, work, keep).await.map(drop).map_err(failed)
    }

    /// Looks without writing, so that an empty mailbox costs other writers nothing.
    async fn has_letters(&self, owner: &OwnerId) -> Result<bool, StoreError> {
        let owner = owner.clone();
        self.read("look for letters", move |connection| {
            connection
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM letters WHERE owner = ?1)")?
                .query_row([owner.as_str()], |row| row.get(0))
        })
        .await
    }

    fn empty_pocket(&self, owner: &OwnerId) -> Vec<ConversationKey> {
        let mut pockets = self.0.pockets.lock().unwrap_or_else(PoisonError::into_inner);
        pockets.remove(owner).map(Vec::from_iter).unwrap_or_default()
    }
}
