//! Whoever keeps the trackers of all tenants.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sidetone_model::Timestamp;
use sidetone_ports::{
    CallStore, ClientSource, Clock, LeaseStore, Mailbox, OrganizationStore, RecordSink, StoreError,
    UserStore, chain,
};
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::source::StoredTenants;
use super::stay::{Ended, TenantFailure, TenantTurns, TenantsOutcome, alone, in_turn, tracker};
use super::{Tenant, TenantName, TenantStatuses};
use crate::lease::Terms;
use crate::status::TrackerStatus;
use crate::tracker::Refused;

/// How often it is looked whom to follow, where that costs nothing.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often it is looked where others take turns, and every lease asked for that is not held
/// here: more often than a successor is started, so that all leases come to one holder.
const ASK_EVERY: Duration = Duration::from_secs(15);
/// How long one that could not be followed is left alone, unless its settings change.
const REST: Duration = Duration::from_secs(60);
/// One holds, one takes over.
const STAYS_MAX: usize = 2;

/// Keeps a tracker for each tenant.
#[derive(Debug)]
pub struct Tenants<S, R, C> {
    clock: Clock,
    store: S,
    sink: R,
    source: StoredTenants<S, C>,
    turns: Option<TenantTurns>,
    statuses: watch::Sender<TenantStatuses>,
    /// The platform refused a client: secrets are to be read afresh.
    were_refused: Arc<AtomicBool>,
}

/// A try at a tenant that goes on.
struct Running {
    tenant: Tenant,
    stop: CancellationToken,
}

/// What goes on at the moment.
#[derive(Default)]
struct Work {
    tasks: JoinSet<Ended>,
    running: BTreeMap<Id, Running>,
    /// Those that could not be followed, as they were then, and until when they are left alone
    /// if they do not change.
    resting: BTreeMap<TenantName, (Tenant, Option<Timestamp>)>,
    outcome: TenantsOutcome,
}

impl<S, R, C> Tenants<S, R, C>
where
    S: CallStore + UserStore + Mailbox + LeaseStore + OrganizationStore,
    R: RecordSink,
    C: ClientSource,
{
    /// Prepares to follow; without `turns` nobody else does, and what is refused is tried again
    /// by its tracker.
    pub fn new(
        clock: Clock,
        store: S,
        sink: R,
        source: StoredTenants<S, C>,
        turns: Option<TenantTurns>,
    ) -> Self {
        let (statuses, were_refused) = (watch::Sender::default(), Arc::default());
        Self { clock, store, sink, source, turns, statuses, were_refused }
    }

    /// Remembers in `memory` whether secrets are to be read afresh, for whoever comes next.
    #[must_use]
    pub fn remembering(self, memory: Arc<AtomicBool>) -> Self {
        Self { were_refused: memory, ..self }
    }

    /// Returns how the trackers do.
    pub fn statuses(&self) -> watch::Receiver<TenantStatuses> {
        self.statuses.subscribe()
    }

    /// Follows until told to stop, or until nothing is held where turns are taken once.
    ///
    /// Errors: [`StoreError`] if it cannot be read, at first, whom to follow; where nobody takes
    /// turns once, that is tried again.
    pub async fn run(self, stop: CancellationToken) -> Result<TenantsOutcome, StoreError> {
        let once = self.turns.as_ref().filter(|turns| turns.once);
        let ends_at = once.map(|turns| self.clock.steady() + turns.hold);
        // Whoever is about to leave takes nothing more up.
        let asks_until = once.map(|turns| {
            let offer_before = Terms::new("", "", turns.hold).offer_before;
            self.clock.steady() + turns.hold.saturating_sub(offer_before)
        });
        let look_every = if self.turns.is_some() { ASK_EVERY } else { LOOK_EVERY };
        let mut work = Work::default();
        let (mut look_at, mut is_first) = (self.clock.steady(), true);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = work.tasks.join_next_with_id() => {
                    if self.note(&mut work, ended) {
                        look_at = self.clock.steady();
                    }
                }
                () = self.clock.sleep_until(look_at) => {
                    look_at = self.clock.steady() + look_every;
                    let looks = asks_until.is_none_or(|until| self.clock.steady() < until);
                    if looks {
                        self.look(&mut work, ends_at, is_first).await?;
                    }
                    is_first = false;
                }
            }
            if once.is_some() && work.tasks.is_empty() && !is_first {
                break;
            }
        }
        work.running.values().for_each(|one| one.stop.cancel());
        while let Some(ended) = work.tasks.join_next_with_id().await {
            self.note(&mut work, ended);
        }
        Ok(work.outcome)
    }

    /// Reads who is to be followed, ends what is no longer, and tries the others.
    async fn look(
        &self,
        work: &mut Work,
        ends_at: Option<Timestamp>,
        is_first: bool,
    ) -> Result<(), StoreError> {
        let afresh = self.were_refused.swap(false, Ordering::Relaxed);
        let wanted = match self.source.tenants(afresh).await {
            Ok(wanted) => wanted,
            Err(error) if is_first && ends_at.is_some() => return Err(error),
            // What runs goes on.
            Err(error) => {
                tracing::warn!(error = chain(&error), "whom to follow cannot be read");
                return Ok(());
            }
        };
        for one in work.running.values().filter(|one| !wanted.contains(&one.tenant)) {
            one.stop.cancel();
        }
        let now = self.clock.steady();
        work.resting.retain(|_, (tenant, until)| {
            wanted.contains(tenant) && until.is_none_or(|until| now < until)
        });
        for tenant in wanted {
            let mine = work.running.values().filter(|one| one.tenant.name == tenant.name).count();
            let most = match &self.turns {
                Some(turns) if !turns.once => STAYS_MAX,
                Some(_) | None => 1,
            };
            if mine < most && !work.resting.contains_key(&tenant.name) {
                self.start(work, tenant, ends_at);
            }
        }
        Ok(())
    }

    fn start(&self, work: &mut Work, tenant: Tenant, ends_at: Option<Timestamp>) {
        let refused = if self.turns.is_some() { Refused::End } else { Refused::Wait };
        let (store, sink) = (self.store.clone(), self.sink.clone());
        let tracker = match tracker(&tenant, refused, self.clock, store, sink) {
            Ok(tracker) => tracker,
            Err(problem) => {
                // What takes turns begins anew all the time; what does not says it once.
                let until = self.turns.is_some().then(|| self.clock.steady() + REST);
                return self.rest(work, tenant, problem, until);
            }
        };
        let stop = CancellationToken::new();
        let status = tracker.status();
        let task = match &self.turns {
            None => {
                tracing::info!(tenant = %tenant.name, "is followed");
                self.show(&tenant.name, Some(status));
                work.tasks.spawn(alone(tracker, stop.clone()))
            }
            Some(turns) => {
                let holder = format!("{}-{}", turns.holder, uuid::Uuid::new_v4().simple());
                let hold = ends_at.map_or(turns.hold, |ends_at| ends_at.since(self.clock.steady()));
                let terms = Terms::new(tenant.name.lease(), holder, hold);
                let (leases, name) = (self.store.clone(), tenant.name.clone());
                work.tasks.spawn(in_turn(name, tracker, terms, self.clock, leases, stop.clone()))
            }
        };
        work.running.insert(task.id(), Running { tenant, stop });
    }

    /// Notes how a try ended; returns whether another one is due at once.
    fn note(&self, work: &mut Work, ended: Result<(Id, Ended), JoinError>) -> bool {
        let (id, ended) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                let problem = Some(chain(&error));
                (error.id(), Ended { stay: None, problem, was_refused: false })
            }
        };
        let Some(Running { tenant, stop }) = work.running.remove(&id) else { return false };
        self.show(&tenant.name, None);
        if let Some(stay) = ended.stay {
            let (departure, fence) = (stay.departure, stay.fence);
            tracing::info!(tenant = %tenant.name, departure, fence, "a turn is over");
            if self.turns.as_ref().is_some_and(|turns| turns.once) {
                work.outcome.stays.push(stay);
            }
        }
        if ended.was_refused {
            self.were_refused.store(true, Ordering::Relaxed);
        }
        if let Some(problem) = ended.problem {
            self.rest(work, tenant, problem, Some(self.clock.steady() + REST));
        }
        stop.is_cancelled()
    }

    /// Leaves a tenant alone for a while.
    fn rest(&self, work: &mut Work, tenant: Tenant, problem: String, until: Option<Timestamp>) {
        metrics::counter!("sidetone_tenants_failed_total").increment(1);
        tracing::error!(tenant = %tenant.name, problem, "is not followed");
        let name = tenant.name.clone();
        if self.turns.as_ref().is_some_and(|turns| turns.once) {
            work.outcome.failures.push(TenantFailure { tenant: name.clone(), problem });
        }
        work.resting.insert(name, (tenant, until));
    }

    fn show(&self, name: &TenantName, status: Option<watch::Receiver<TrackerStatus>>) {
        let Some(id) = name.organization() else { return };
        self.statuses.send_modify(|statuses| {
            drop(match status {
                Some(status) => statuses.insert(id, status),
                None => statuses.remove(&id),
            });
        });
    }
}
