//! Leases: one statement decides who holds one.

use std::time::Duration;

use rusqlite::{OptionalExtension, params};
use sidetone_ports::{Claim, Fence, LeaseBeat, LeaseStore, Renewal, StoreError};

use super::Store;
use super::owners::milliseconds;
use crate::database::{signed, unsigned};

impl LeaseStore for Store {
    async fn acquire(
        &self,
        name: &str,
        holder: &str,
        life: Duration,
        silent: Option<LeaseBeat>,
    ) -> Result<Claim, StoreError> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        let silent_fence = silent.map(|silent| signed(silent.fence));
        let silent_beat = silent.map(|silent| signed(silent.beat));
        self.write("acquire a lease", 0, move |connection| {
            let fence: Option<i64> = connection
                .prepare_cached(
                    "INSERT INTO leases (name, holder, fence, beat, life_ms, offered)
                     VALUES (?1, ?2, 1, 0, ?3, FALSE)
                     ON CONFLICT DO UPDATE SET
                         offered_fence = iif(offered, fence, offered_fence), offered = FALSE,
                         holder = excluded.holder, fence = fence + 1, beat = 0,
                         life_ms = excluded.life_ms
                     WHERE holder IS NULL OR holder = excluded.holder OR offered
                         OR (fence = ?4 AND beat = ?5)
                     RETURNING fence",
                )?
                .query_row(
                    params![name, holder, milliseconds(life), silent_fence, silent_beat],
                    |row| row.get(0),
                )
                .optional()?;
            if let Some(fence) = fence {
                return Ok(Claim::Granted(unsigned(fence)));
            }
            connection
                .prepare_cached("SELECT fence, beat, life_ms FROM leases WHERE name = ?1")?
                .query_row([name], |row| {
                    Ok(Claim::Held(LeaseBeat {
                        fence: unsigned(row.get(0)?),
                        beat: unsigned(row.get(1)?),
                        life: Duration::from_millis(unsigned(row.get(2)?)),
                    }))
                })
        })
        .await
    }

    async fn renew(
        &self,
        name: &str,
        holder: &str,
        fence: Fence,
        life: Duration,
        offered: bool,
    ) -> Result<Renewal, StoreError> {
        let (name, holder, fence) = (name.to_owned(), holder.to_owned(), signed(fence));
        self.write("renew a lease", 0, move |connection| {
            let renewed = connection
                .prepare_cached(
                    "UPDATE leases SET beat = beat + 1, life_ms = ?4, offered = ?5
                     WHERE name = ?1 AND holder = ?2 AND fence = ?3",
                )?
                .execute(params![name, holder, fence, milliseconds(life), offered])?;
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
