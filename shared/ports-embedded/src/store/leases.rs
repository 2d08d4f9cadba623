//! Leases: one statement decides who holds one.

use rusqlite::{OptionalExtension, params};
use sidetone_model::Timestamp;
use sidetone_ports::{Fence, LeaseStore, Renewal, StoreError};

use super::Store;
use crate::database::{signed, unsigned};

impl LeaseStore for Store {
    async fn acquire(
        &self,
        name: &str,
        holder: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Fence>, StoreError> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.write("acquire a lease", 0, move |connection| {
            let fence: Option<i64> = connection
                .prepare_cached(
                    "INSERT INTO leases (name, holder, fence, until, offered)
                     VALUES (?1, ?2, 1, ?3, FALSE)
                     ON CONFLICT DO UPDATE SET
                         offered_fence = iif(offered, fence, offered_fence), offered = FALSE,
                         holder = excluded.holder, fence = fence + 1, until = excluded.until
                     WHERE holder IS NULL OR holder = excluded.holder OR until <= ?4 OR offered
                     RETURNING fence",
                )?
                .query_row(params![name, holder, until.as_micros(), now.as_micros()], |row| {
                    row.get(0)
                })
                .optional()?;
            Ok(fence.map(unsigned))
        })
        .await
    }

    async fn renew(
        &self,
        name: &str,
        holder: &str,
        fence: Fence,
        until: Timestamp,
        offered: bool,
    ) -> Result<Renewal, StoreError> {
        let (name, holder, fence) = (name.to_owned(), holder.to_owned(), signed(fence));
        self.write("renew a lease", 0, move |connection| {
            let renewed = connection
                .prepare_cached(
                    "UPDATE leases SET until = ?4, offered = ?5
                     WHERE name = ?1 AND holder = ?2 AND fence = ?3",
                )?
                .execute(params![name, holder, fence, until.as_micros(), offered])?;
            if renewed > 0 {
                return Ok(Renewal::Held);
            }
            let offered_fence: Option<Option<i64>> = connection
                .prepare_cached("SELECT offered_fence FROM leases WHERE name = ?1")?
                .query_row([name], |row| row.get(0))
                .optional()?;
            let handed_over = offered_fence.flatten() == Some(fence);
            Ok(if handed_over { Renewal::HandedOver } else { Renewal::Lost })
        })
        .await
    }

    async fn release(&self, name: &str, holder: &str, fence: Fence) -> Result<(), StoreError> {
        let (name, holder, fence) = (name.to_owned(), holder.to_owned(), signed(fence));
        self.write("release a lease", 0, move |connection| {
            connection
                .prepare_cached(
                    "UPDATE leases SET holder = NULL, offered = FALSE
                     WHERE name = ?1 AND holder = ?2 AND fence = ?3",
                )?
                .execute(params![name, holder, fence])
        })
        .await?;
        Ok(())
    }
}
