//! How the tracker does, written where a call's explanation finds it.
//!
//! Two trackers of one organization overlap at a hand-over; the later word counts, and nobody
//! had to stop listening in between.

use std::time::Duration;

use sidetone_model::{ConversationId, ConversationKey, OrganizationId, Timestamp, TrackerReport};
use sidetone_ports::{CallStore, Clock, Item, Revision, StoreError, chain};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::status::{StatusBoard, TrackerStatus};

/// How often it is written where nothing changes: a reader takes 90 s without a word for silence.
const EVERY: Duration = Duration::from_secs(20);

/// How soon after one word the next may follow.
const PAUSE: Duration = Duration::from_millis(200);

/// How old a predecessor's word may be for its listening to go on without a break.
const OVERLAP: Duration = Duration::from_secs(60);

/// How long a word is kept.
const LIFE: Duration = Duration::from_secs(24 * 3_600);

/// Writes how a tracker does until told to stop.
pub(crate) async fn keep_report<S: CallStore>(
    store: S,
    clock: Clock,
    organization: OrganizationId,
    board: StatusBoard,
    stop: CancellationToken,
) {
    let conversation = ConversationId::new(Uuid::nil());
    let key = ConversationKey { organization, conversation };
    let mut changes = board.watch();
    let mut since: Option<Timestamp> = None;
    loop {
        let status = changes.borrow_and_update().clone();
        let (now, said) = (clock.now(), essence(&status));
        let written = async {
            let found = find(&store, key, now).await?;
            since = connected_since(&status, since, found.as_ref().map(|(report, _)| report), now);
            let revision = found.map_or(0, |(_, revision)| revision);
            let report = TrackerReport {
                clock_ahead_ms: clock_ahead_ms(&clock),
                ..report(status, since, now)
            };
            write(&store, key, &report, revision, now).await
        };
        match stop.run_until_cancelled(written).await {
            None => return,
            // Another tracker was first; the next word is soon.
            Some(Err(error)) if error.is_conflict() => {}
            Some(Err(error)) => tracing::warn!(error = chain(&error), "report not written"),
            Some(Ok(())) => {}
        }
        let changed = async {
            clock.sleep(PAUSE).await;
            let is_news = |status: &TrackerStatus| essence(status) != said;
            // The board lives as long as the tracker, which is as long as this.
            let _ = clock.timeout(EVERY, changes.wait_for(is_news)).await;
        };
        if stop.run_until_cancelled(changed).await.is_none() {
            return;
        }
    }
}

/// What of a status is worth a word of its own.
fn essence(status: &TrackerStatus) -> (bool, usize, usize, Option<String>) {
    let rejected = status.rejected.values().sum();
    (status.is_connected(), rejected, status.followed, status.problem.clone())
}

/// Returns since when events arrive without a break, be it another tracker that heard them first.
fn connected_since(
    status: &TrackerStatus,
    since: Option<Timestamp>,
    before: Option<&TrackerReport>,
    now: Timestamp,
) -> Option<Timestamp> {
    let inherited = before.filter(|before| before.at + OVERLAP >= now);
    let inherited = inherited.and_then(|before| before.connected_since);
    status.is_connected().then(|| since.or(inherited).unwrap_or(now))
}

fn report(status: TrackerStatus, since: Option<Timestamp>, now: Timestamp) -> TrackerReport {
    TrackerReport {
        at: now,
        connected_since: since,
        followed: status.followed,
        collisions: status.collisions,
        rejected: status.rejected.values().sum(),
        last_event_at: status.last_event_at,
        problem: status.problem,
        clock_ahead_ms: None,
    }
}

fn clock_ahead_ms(clock: &Clock) -> Option<i64> {
    clock.skew().map(|skew| skew.ahead_micros / 1_000)
}

async fn find<S: CallStore>(
    store: &S,
    key: ConversationKey,
    now: Timestamp,
) -> Result<Option<(TrackerReport, Revision)>, StoreError> {
    let items = store.query(key, now).await?;
    let item = items.into_iter().find(|item| item.name == TrackerReport::ITEM_NAME);
    Ok(item.map(|item| {
        let silent = report(TrackerStatus::default(), None, Timestamp::default());
        (serde_json::from_slice(&item.bytes).unwrap_or(silent), item.revision)
    }))
}

async fn write<S: CallStore>(
    store: &S,
    key: ConversationKey,
    report: &TrackerReport,
    revision: Revision,
    now: Timestamp,
) -> Result<(), StoreError> {
    let name = TrackerReport::ITEM_NAME.to_owned();
    let bytes = serde_json::to_vec(report)
        .map_err(|source| StoreError::unavailable("write the tracker's report", source))?;
    store.put(key, Item { name, bytes, revision }, None, now + LIFE).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn listening_goes_on_through_a_hand_over_and_not_through_a_gap() {
        let connected = TrackerStatus {
            channels: BTreeMap::from([(0, at(0))]),
            channels_wanted: Some(1),
            ..TrackerStatus::default()
        };
        let alone = TrackerStatus::default();
        let before = report(connected.clone(), Some(at(100)), at(1_000));
        let cases = [
            (&connected, None, None, 1_010, Some(1_010)),
            (&connected, None, Some(&before), 1_010, Some(100)),
            (&connected, None, Some(&before), 1_100, Some(1_100)),
            (&connected, Some(at(50)), Some(&before), 1_010, Some(50)),
            (&alone, Some(at(50)), Some(&before), 1_010, None),
        ];
        for (status, since, before, now, expected) in cases {
            let found = connected_since(status, since, before, at(now));
            assert_eq!(found, expected.map(at), "{since:?} {before:?} {now}");
        }
    }
}
