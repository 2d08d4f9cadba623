//! Handshakes that were refused, by organization and reason, kept where a call's explanation
//! finds them.
//!
//! A refused request says whose it is and proves nothing. So what is kept is a count, for
//! organizations that are followed here alone, and of a bounded number of them: whoever knocks
//! cannot fill a store.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sidetone_model::{
    BreachReport, ConversationId, ConversationKey, OrganizationId, RefusalReport, Timestamp,
    TrackerReport,
};
use sidetone_ports::{CallStore, Clock, Item, StoreError, chain};

use crate::calls::ITEM_LIFE;
use crate::lock::lock;

/// How often what was noted is written.
const WRITE_EVERY: Duration = Duration::from_secs(2);

/// How many pairs of organization and reason are noted between two writes; there are a dozen
/// reasons, and few organizations that are mistaken at once.
const NOTED_MAX: usize = 256;

/// After how long without a refusal the count begins anew.
const QUIET: Duration = Duration::from_secs(600);

/// What was refused since it was written last; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Refusals(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    reports: BTreeMap<(OrganizationId, &'static str), RefusalReport>,
    written_at: Timestamp,
}

impl Refusals {
    /// Notes that a handshake in an organization's name was refused.
    pub fn note(&self, claimed: OrganizationId, reason: &'static str, now: Timestamp) {
        let noted = &mut lock(&self.0).reports;
        let is_full = noted.len() >= NOTED_MAX;
        match noted.get_mut(&(claimed, reason)) {
            Some(report) => (report.last_at, report.count) = (now, report.count + 1),
            None if is_full => metrics::counter!("sidetone_refusals_not_kept_total").increment(1),
            None => {
                let report = RefusalReport {
                    reason: reason.to_owned(),
                    first_at: now,
                    last_at: now,
                    count: 1,
                };
                noted.insert((claimed, reason), report);
            }
        }
    }

    /// Writes what was noted, for ever.
    pub(crate) async fn keep<S: CallStore>(&self, store: &S, clock: &Clock) {
        loop {
            clock.sleep(WRITE_EVERY).await;
            self.write(store, clock).await;
        }
    }

    /// Writes what was noted, unless that was done a moment ago: for a door without a process of
    /// its own, which writes when something is refused or not at all.
    pub async fn write_in_turn<S: CallStore>(&self, store: &S, clock: &Clock) {
        if clock.now().since(lock(&self.0).written_at) >= WRITE_EVERY {
            self.write(store, clock).await;
        }
    }

    async fn write<S: CallStore>(&self, store: &S, clock: &Clock) {
        let noted = {
            let mut noted = lock(&self.0);
            noted.written_at = clock.now();
            std::mem::take(&mut noted.reports)
        };
        for ((organization, _), report) in noted {
            match add(store, clock, organization, report).await {
                Ok(()) => {}
                // Another door was first: what is lost is a count.
                Err(error) if error.is_conflict() => {}
                Err(error) => {
                    tracing::warn!(%organization, error = %chain(&error), "refusals not kept");
                }
            }
        }
    }
}

/// Stores a breach of the protocol under its conversation, or under the nil conversation.
pub(crate) async fn keep_breach<S: CallStore>(
    store: &S,
    clock: &Clock,
    organization: OrganizationId,
    conversation: Option<ConversationId>,
    report: &BreachReport,
) -> Result<(), StoreError> {
    let nil = ConversationId::new(uuid::Uuid::nil());
    let key = ConversationKey { organization, conversation: conversation.unwrap_or(nil) };
    let name = format!("{}{}", BreachReport::ITEM_PREFIX, report.session);
    let bytes = serde_json::to_vec(report)
        .map_err(|source| StoreError::Unreadable { what: name.clone(), source: source.into() })?;
    let item = Item { name, bytes, revision: 0 };
    match store.put(key, item, None, clock.now() + ITEM_LIFE).await {
        // The session came before and broke the protocol then: the first breach is kept.
        Err(error) if error.is_conflict() => Ok(()),
        answer => answer.map(|_| ()),
    }
}

async fn add<S: CallStore>(
    store: &S,
    clock: &Clock,
    organization: OrganizationId,
    mut report: RefusalReport,
) -> Result<(), StoreError> {
    let now = clock.now();
    let key =
        ConversationKey { organization, conversation: ConversationId::new(uuid::Uuid::nil()) };
    let items = store.query(key, now).await?;
    if !items.iter().any(|item| item.name == TrackerReport::ITEM_NAME) {
        // Nobody follows it here, so there is no call to explain.
        return Ok(());
    }
    let name = format!("{}{}", RefusalReport::ITEM_PREFIX, report.reason);
    let stored = items.iter().find(|item| item.name == name);
    let before = stored.and_then(|item| serde_json::from_slice::<RefusalReport>(&item.bytes).ok());
    if let Some(before) = before.filter(|before| before.last_at + QUIET >= report.first_at) {
        report.first_at = report.first_at.min(before.first_at);
        report.last_at = report.last_at.max(before.last_at);
        report.count += before.count;
    }
    let bytes = serde_json::to_vec(&report)
        .map_err(|source| StoreError::Unreadable { what: name.clone(), source: source.into() })?;
    let revision = stored.map_or(0, |item| item.revision);
    store.put(key, Item { name, bytes, revision }, None, now + ITEM_LIFE).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use sidetone_ports_embedded::Store;

    use super::*;

    fn organization() -> OrganizationId {
        "0f0e0d0c-0b0a-4908-8706-050403020100".parse().unwrap()
    }

    async fn kept(store: &Store, clock: &Clock) -> Vec<RefusalReport> {
        let conversation = ConversationId::new(uuid::Uuid::nil());
        let key = ConversationKey { organization: organization(), conversation };
        let items = store.query(key, clock.now()).await.unwrap();
        let refusals = items.iter().filter(|item| item.name.starts_with("refusal#"));
        refusals.map(|item| serde_json::from_slice(&item.bytes).unwrap()).collect()
    }

    async fn is_followed(store: &Store, clock: &Clock) {
        let conversation = ConversationId::new(uuid::Uuid::nil());
        let key = ConversationKey { organization: organization(), conversation };
        let name = TrackerReport::ITEM_NAME.to_owned();
        let item = Item { name, bytes: b"{}".to_vec(), revision: 0 };
        store.put(key, item, None, clock.now() + ITEM_LIFE).await.unwrap();
    }

    #[tokio::test]
    async fn refusals_are_counted_by_reason_across_writes() {
        let (store, clock) = (Store::in_memory().unwrap(), Clock::scaled(1.0));
        is_followed(&store, &clock).await;
        let refusals = Refusals::default();
        for reason in ["unknown-key", "unknown-key", "signature-mismatch"] {
            refusals.note(organization(), reason, clock.now());
        }
        refusals.write(&store, &clock).await;
        refusals.note(organization(), "unknown-key", clock.now());
        refusals.write(&store, &clock).await;
        let counts: Vec<(String, u64)> = kept(&store, &clock)
            .await
            .into_iter()
            .map(|report| (report.reason, report.count))
            .collect();
        assert_eq!(counts, [("signature-mismatch".to_owned(), 1), ("unknown-key".to_owned(), 3)]);
    }

    #[tokio::test(start_paused = true)]
    async fn in_turn_the_first_is_written_at_once_and_the_next_ones_together() {
        let (store, clock) = (Store::in_memory().unwrap(), Clock::scaled(1.0));
        is_followed(&store, &clock).await;
        let refusals = Refusals::default();
        let mut counts = Vec::new();
        for _ in 0..3 {
            for _ in 0..2 {
                refusals.note(organization(), "unknown-key", clock.now());
                refusals.write_in_turn(&store, &clock).await;
                counts.push(kept(&store, &clock).await[0].count);
            }
            clock.sleep(WRITE_EVERY).await;
        }
        assert_eq!(counts, [1, 1, 3, 3, 5, 5]);
    }

    #[tokio::test]
    async fn a_strangers_refusals_are_kept_nowhere() {
        let (store, clock) = (Store::in_memory().unwrap(), Clock::scaled(1.0));
        let refusals = Refusals::default();
        refusals.note(organization(), "unknown-key", clock.now());
        refusals.write(&store, &clock).await;
        assert_eq!(kept(&store, &clock).await, []);
    }

    #[test]
    fn no_more_is_noted_than_can_be_kept() {
        let refusals = Refusals::default();
        for number in 0..2 * NOTED_MAX as u128 {
            let organization = OrganizationId::new(uuid::Uuid::from_u128(number));
            refusals.note(organization, "unknown-key", Timestamp::from_millis(0));
        }
        assert_eq!(lock(&refusals.0).reports.len(), NOTED_MAX);
    }
}
