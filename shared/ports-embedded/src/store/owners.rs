//! Who is alive.

use rusqlite::params;
use sidetone_model::{OwnerId, Timestamp};
use sidetone_ports::{Lease, OwnerStore, StoreError};

use super::Store;

impl OwnerStore for Store {
    async fn beat(&self, owner: &OwnerId, until: Timestamp) -> Result<(), StoreError> {
        let owner = owner.clone();
        self.write("renew an owner's lease", 0, move |connection| {
            connection
                .prepare_cached("INSERT OR REPLACE INTO owners (owner, until) VALUES (?1, ?2)")?
                .execute(params![owner.as_str(), until.as_micros()])
        })
        .await?;
        Ok(())
    }

    async fn owners(&self) -> Result<Vec<Lease>, StoreError> {
        self.read("read the owners", |connection| {
            let mut statement =
                connection.prepare_cached("SELECT owner, until FROM owners ORDER BY owner")?;
            let rows = statement.query_map([], |row| {
                Ok(Lease {
                    owner: OwnerId::new(row.get::<_, String>(0)?),
                    until: Timestamp::from_micros(row.get(1)?),
                })
            })?;
            rows.collect()
        })
        .await
    }

    /// Also drops the owner's letters: nobody will take them.
    async fn remove_owner(&self, owner: &OwnerId) -> Result<(), StoreError> {
        let owner = owner.clone();
        self.write("remove an owner", 0, move |connection| {
            for statement in
                ["DELETE FROM owners WHERE owner = ?1", "DELETE FROM letters WHERE owner = ?1"]
            {
                connection.prepare_cached(statement)?.execute([owner.as_str()])?;
            }
            Ok(())
        })
        .await
    }
}
