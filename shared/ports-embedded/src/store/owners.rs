//! Signs of life of owners.

use std::time::Duration;

use rusqlite::params;
use sidetone_model::OwnerId;
use sidetone_ports::{OwnerBeat, OwnerStore, StoreError};

use super::Store;
use crate::database::{signed, unsigned};

impl OwnerStore for Store {
    async fn beat(&self, beat: &OwnerBeat) -> Result<bool, StoreError> {
        let OwnerBeat { owner, beat, life } = beat.clone();
        self.write("write an owner's beat", 0, move |connection| {
            let row = params![owner.as_str(), signed(beat), milliseconds(life)];
            let updated = connection
                .prepare_cached("UPDATE owners SET beat = ?2, life_ms = ?3 WHERE owner = ?1")?
                .execute(row)?;
            if updated == 0 {
                connection
                    .prepare_cached(
                        "INSERT INTO owners (owner, beat, life_ms) VALUES (?1, ?2, ?3)",
                    )?
                    .execute(row)?;
            }
            Ok(updated > 0)
        })
        .await
    }

    async fn owners(&self) -> Result<Vec<OwnerBeat>, StoreError> {
        self.read("read the owners", |connection| {
            let mut statement = connection
                .prepare_cached("SELECT owner, beat, life_ms FROM owners ORDER BY owner")?;
            let rows = statement.query_map([], |row| {
                Ok(OwnerBeat {
                    owner: OwnerId::new(row.get::<_, String>(0)?),
                    beat: unsigned(row.get(1)?),
                    life: Duration::from_millis(unsigned(row.get(2)?)),
                })
            })?;
            rows.collect()
        })
        .await
    }

    /// Also drops the owner's letters: it will not take them.
    async fn remove_owner(&self, owner: &OwnerId, silent: Option<u64>) -> Result<(), StoreError> {
        let (owner, silent) = (owner.clone(), silent.map(signed));
        self.write("remove an owner", 0, move |connection| {
            let removed = connection
                .prepare_cached(
                    "DELETE FROM owners WHERE owner = ?1 AND (?2 IS NULL OR beat = ?2)",
                )?
                .execute(params![owner.as_str(), silent])?;
            if removed > 0 {
                connection
                    .prepare_cached("DELETE FROM letters WHERE owner = ?1")?
                    .execute([owner.as_str()])?;
            }
            Ok(())
        })
        .await
    }
}

/// Returns a duration as the tables hold it.
pub(super) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
