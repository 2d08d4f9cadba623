//! Days pass on a virtual clock.

use serde_json::json;
use sidetone_model::{
    ConnectionId, ConversationId, ConversationKey, Listen, OnHold, Organization, PlatformPlace,
    SessionId,
};
use sidetone_ports::{Part, PartName, RecordedSession};
use uuid::Uuid;

use super::*;

const ENDED_AT: &str = "2026-11-26T09:00:00Z";

struct Shelf {
    store: Store,
    recordings: Recordings,
    directory: tempfile::TempDir,
}

fn id(number: u128) -> OrganizationId {
    OrganizationId::new(Uuid::from_u128(number))
}

impl Shelf {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let recordings =
            Recordings::open(&directory.path().join("parts"), &directory.path().join("recordings"));
        let recordings = recordings.expect("recordings");
        Self { store: Store::in_memory().expect("a store"), recordings, directory }
    }

    async fn keeps(&self, organization: OrganizationId, days: Option<u16>) {
        let settings = Organization {
            id: organization,
            platform: PlatformPlace::Region("usw2".to_owned()),
            client_ids: Vec::new(),
            listen: Listen::default(),
            on_hold: OnHold::default(),
            queues: Vec::new(),
            retention_days: days,
        };
        self.store.put_organization(&settings).await.expect("put");
    }

    async fn put(&self, organization: OrganizationId, name: &str, content: &[u8]) {
        let file = self.directory.path().join("on-its-way");
        std::fs::write(&file, content).expect("writable");
        let files = vec![(name.to_owned(), file)];
        self.recordings.put_recordings(organization, files).await.expect("put");
    }

    /// Records a session, of which a part is left over; returns it and its files' names.
    async fn record(&self, organization: OrganizationId) -> (RecordedSession, [String; 2]) {
        let (conversation, session) =
            (ConversationId::new(Uuid::new_v4()), SessionId::new(Uuid::new_v4()));
        let name = sidetone_consumer::recording_name(
            ConversationKey { organization, conversation },
            session,
        );
        let names = [format!("{name}.json"), format!("{name}.wav")];
        let sidecar = json!({
            "version": 1, "organization": organization, "conversation": conversation,
            "session": session, "wav": names[1], "agents": [], "holds": [], "pauses": [],
            "gaps": [], "missing": [], "matches": [], "connections": [],
            "audio": { "frames": 0, "samples": 0, "samples_of_nobody": 0, "cut": false },
            "end": { "cause": "closed", "at": ENDED_AT, "position": 0 },
            "complete": false, "late_records": 0,
        });
        self.put(organization, &names[0], sidecar.to_string().as_bytes()).await;
        self.put(organization, &names[1], b"RIFF").await;
        let connection = ConnectionId::new("c");
        let part = PartName { connection, first: 1, last: 1, ends: false };
        let session = RecordedSession { organization, session };
        let part = Part { session, name: part, data: "part".into() };
        self.recordings.put_parts(vec![part]).await.remove(0).expect("put");
        (session, names)
    }

    /// Looks some days after the calls ended; returns how many recordings went.
    async fn days_later(&self, days: u32) -> usize {
        let ended_at: Timestamp = ENDED_AT.parse().expect("a moment");
        let clock = Clock::starting_at(ended_at + DAY * days, 1.0);
        let (store, recordings) = (self.store.clone(), self.recordings.clone());
        Retention { clock, store, recordings }.look().await.expect("looked")
    }

    async fn has(&self, names: &[String; 2]) -> bool {
        let all = self.recordings.names().await.expect("listed");
        let there = names.iter().filter(|name| all.contains(name)).count();
        assert!(there == 0 || there == names.len(), "all of it or nothing");
        there > 0
    }
}

#[tokio::test]
async fn each_organizations_recordings_go_in_their_time_and_no_others() {
    let shelf = Shelf::new();
    let (short, long, silent, stranger) = (id(1), id(2), id(3), id(4));
    shelf.keeps(short, Some(30)).await;
    shelf.keeps(long, Some(90)).await;
    shelf.keeps(silent, None).await;
    let mut recorded = Vec::new();
    for organization in [short, long, silent, stranger] {
        recorded.push(shelf.record(organization).await);
    }
    shelf.put(short, "notes.json", b"{}").await;
    assert_eq!(shelf.days_later(29).await, 0);
    assert_eq!(shelf.days_later(31).await, 1);
    assert_eq!(shelf.days_later(32).await, 0, "it is gone");
    let mut there = Vec::new();
    for (_, names) in &recorded {
        there.push(shelf.has(names).await);
    }
    assert_eq!(there, [false, true, true, true]);
    let left = shelf.recordings.sessions_with_parts().await.expect("listed");
    assert!(!left.contains(&recorded[0].0) && left.len() == 3, "its parts are gone, too");
    assert_eq!(shelf.days_later(91).await, 1);
    assert_eq!(shelf.days_later(4_000).await, 0);
    let names = shelf.recordings.names().await.expect("listed");
    assert!(names.contains(&"notes.json".to_owned()), "what is no sidecar stays: {names:?}");
}

#[tokio::test]
async fn a_setting_counts_for_what_was_recorded_before_it() {
    let shelf = Shelf::new();
    let (_, names) = shelf.record(id(1)).await;
    assert_eq!(shelf.days_later(8).await, 0);
    shelf.keeps(id(1), Some(7)).await;
    assert_eq!(shelf.days_later(8).await, 1);
    assert!(!shelf.has(&names).await);
}
