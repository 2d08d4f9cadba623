//! Mends gaps, one pass after the other.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sidetone_model::{Timestamp, UserId};
use sidetone_notification_proto::{Backoff, CallRecord};
use sidetone_ports::{Clock, UserStore, chain};
use tokio_util::sync::CancellationToken;

use super::gaps::{GAP_MARGIN, Gaps};
use crate::channel::Intake;
use crate::platform::{DetailsQuery, PlatformClient, PlatformError, Wanted};
use crate::roster::Roster;
use crate::status::StatusBoard;

/// How long the channels' gaps are gathered: they come together.
const GATHER: Duration = Duration::from_secs(1);

/// How long a pass waits for channels that are not open yet. What they miss until they are is
/// another gap.
const CONNECTED_WITHIN: Duration = Duration::from_secs(20);

/// When a gap is looked at once more: analytics lags behind what happens.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// The shortest time from one pass to the next: sockets that break all the time are no reason
/// to poll.
const APART: Duration = Duration::from_secs(20);

/// The longest wait that Genesys can ask for; it then says again if it was too short.
const THROTTLED_WAIT_MAX: Duration = Duration::from_secs(60);

/// How long to wait where only a person can help, with the permission for instance.
const REFUSED_WAIT: Duration = Duration::from_secs(600);

/// The most pages of one query: 50,000 calls, five times what one OAuth client can follow.
const PAGES_MAX: usize = 500;

/// The one who mends.
pub(crate) struct Mender<S> {
    pub(crate) platform: PlatformClient,
    pub(crate) clock: Clock,
    pub(crate) roster: Arc<Roster<S>>,
    pub(crate) intake: Intake,
    pub(crate) board: StatusBoard,
    pub(crate) gaps: Gaps,
}

/// A gap that is looked at once more.
#[derive(Debug, Clone, Copy)]
struct Again {
    at: Timestamp,
    since: Timestamp,
}

impl<S: UserStore> Mender<S> {
    /// Mends until told to stop.
    pub(crate) async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(self.mend()).await;
    }

    async fn mend(&self) {
        let mut again: Option<Again> = None;
        let mut next_at = self.clock.steady();
        let mut backoff = Backoff::default();
        loop {
            let due = again.map(|again| again.at);
            let fresh = tokio::select! {
                () = self.gaps.opened() => true,
                () = self.clock.sleep_until(due.unwrap_or_default()), if due.is_some() => false,
            };
            self.clock.sleep_until(next_at).await;
            if fresh {
                self.wait_for_channels().await;
            }
            next_at = self.clock.steady() + APART;
            let before = again.take().map(|again| again.since);
            let Some(since) = self.gaps.take_on().into_iter().chain(before).min() else {
                continue;
            };
            match self.pass(since).await {
                Ok(calls) => {
                    tracing::info!(%since, calls, fresh, "gap looked through");
                    metrics::counter!("sidetone_tracker_repairs_total").increment(1);
                    backoff.succeeded();
                    let at = self.clock.steady() + AGAIN_AFTER;
                    again = fresh.then_some(Again { at, since });
                }
                Err(error) => {
                    metrics::counter!("sidetone_tracker_repair_failures_total").increment(1);
                    // Noted before it is given up, so that it never looks mended.
                    self.gaps.note(since);
                    self.rest(&error, &mut backoff).await;
                }
            }
            // A gap that is looked at once more is open until then: whoever comes after a
            // crash begins before it.
            if again.is_none() {
                self.gaps.mended();
            }
        }
    }

    /// Waits a little for channels that are about to open.
    async fn wait_for_channels(&self) {
        self.clock.sleep(GATHER).await;
        let mut status = self.board.watch();
        let connected = status.wait_for(|status| status.is_connected());
        drop(self.clock.timeout(CONNECTED_WITHIN, connected).await);
    }

    async fn rest(&self, error: &PlatformError, backoff: &mut Backoff) {
        let wait = match error {
            PlatformError::Refused { .. }
            | PlatformError::Credentials { .. }
            | PlatformError::OtherOrganization { .. } => {
                tracing::error!(error = chain(error), "gap not mended: Genesys refuses");
                REFUSED_WAIT
            }
            PlatformError::Throttled { retry_after, .. } => {
                tracing::warn!(error = chain(error), "gap not mended yet");
                (*retry_after).min(THROTTLED_WAIT_MAX)
            }
            PlatformError::Unavailable { .. }
            | PlatformError::Unreachable { .. }
            | PlatformError::TimedOut { .. }
            | PlatformError::Unexpected { .. } => {
                tracing::warn!(error = chain(error), "gap not mended yet");
                backoff.failed(0.0)
            }
        };
        self.clock.sleep(wait).await;
    }

    /// Asks for the calls that go on, then for those that ended: one that ends in between is
    /// in the second list.
    async fn pass(&self, since: Timestamp) -> Result<usize, PlatformError> {
        let users = self.roster.followed();
        if users.is_empty() {
            return Ok(0);
        }
        let open = self.query(Wanted::Open, since, &users).await?;
        let ended = self.query(Wanted::Ended, since, &users).await?;
        Ok(open + ended)
    }

    /// Reads a query to its end, or to what ended before the gap.
    async fn query(
        &self,
        wanted: Wanted,
        gap: Timestamp,
        users: &BTreeSet<UserId>,
    ) -> Result<usize, PlatformError> {
        let since = gap - GAP_MARGIN;
        let query = DetailsQuery::new(wanted, since, self.clock.now(), users);
        let mut seen = BTreeSet::new();
        for number in 1..=PAGES_MAX {
            let page = self.platform.records(&query, number).await?;
            let is_before = |record: &CallRecord| record.ended_at.is_some_and(|at| at < since);
            // The latest come first.
            let reached = page.records.last().is_some_and(is_before);
            for record in page.records.into_iter().filter(|record| !is_before(record)) {
                let Some(snapshot) = record.into_snapshot() else { continue };
                let ours = snapshot.participants.iter().filter_map(|it| it.user);
                // Pages shift under live data, so one may come twice.
                if ours.into_iter().any(|user| users.contains(&user))
                    && seen.insert(snapshot.conversation)
                {
                    self.intake.mend(self.clock.now(), snapshot, gap).await;
                }
            }
            if reached || !page.more {
                return Ok(seen.len());
            }
        }
        tracing::error!(pages = PAGES_MAX, "more calls than a repair reads");
        Ok(seen.len())
    }
}
