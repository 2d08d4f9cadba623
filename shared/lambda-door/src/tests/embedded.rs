//! The same over the embedded store, whose threads keep the world's time.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use sidetone_audiohook_proto::Handshake;
use sidetone_model::{Listen, OnHold, Organization, PlatformPlace};
use sidetone_ports::{Clock, ConnectionStore, OrganizationStore};
use sidetone_ports_embedded::{NullStream, Store};
use sidetone_testkit::MemoryLine;

use super::stage::{ORGANIZATION, SESSION, connection, kind_and_clientseq, open, text};
use crate::{Door, DoorConfig, MessageEvent, admit};

async fn message(door: &Door<Store, NullStream, MemoryLine>, text: String) {
    let event = MessageEvent { connection: connection(), body: text, is_base64: false };
    door.message(event).await;
}

#[tokio::test(start_paused = true)]
async fn twenty_at_once_are_answered_in_order() {
    let (clock, store) = (Clock::scaled(1.0), Store::in_memory().unwrap());
    let config = DoorConfig::new(Listen::Matched, OnHold::Keep, false);
    let line = MemoryLine::new();
    let (sink, door_line) = (NullStream::new(), line.clone());
    let door = Arc::new(Door::new(clock, config.clone(), store.clone(), sink.clone(), door_line));
    let handshake = Handshake {
        organization: ORGANIZATION.parse().unwrap(),
        session_id: SESSION.parse().unwrap(),
    };
    admit(&store, &clock, &config, connection(), handshake).await.unwrap();
    let mut messages: Vec<_> = (2..=20).map(|seq| text("ping", seq, 0, 0, json!({}))).collect();
    messages.push(text("close", 21, 0, 0, json!({ "reason": "end" })));
    messages.push(open());
    messages.reverse();
    let mut running = Vec::new();
    for text in messages.iter().chain(&messages) {
        let (door, text) = (Arc::clone(&door), text.clone());
        running.push(tokio::spawn(async move { message(&door, text).await }));
    }
    for one in running {
        one.await.unwrap();
    }
    let said = line.said(&connection());
    let said = said.iter().map(|text| kind_and_clientseq(&serde_json::from_str(text).unwrap()));
    let mut expected = vec![("opened".to_owned(), 1)];
    expected.extend((2..=20).map(|seq| ("pong".to_owned(), seq)));
    expected.push(("closed".to_owned(), 21));
    assert_eq!(said.collect::<Vec<_>>(), expected);
    assert_eq!(line.overlaps(), 0);
    // The session lingers, and ends by the sweep.
    door.sweep(Duration::from_secs(7)).await;
    assert!(line.is_hung_up(&connection()));
    let far = clock.now() + Duration::from_secs(60);
    // What is left is the end of the connection, which nobody told.
    assert_eq!(store.due_connections(far, 9).await.unwrap(), []);
    assert!(sink.records() >= 2);
}

#[tokio::test(start_paused = true)]
async fn a_connection_listens_as_its_organization_was_set_when_it_came() {
    let (clock, store) = (Clock::scaled(1.0), Store::in_memory().unwrap());
    let config = DoorConfig::new(Listen::Matched, OnHold::Keep, true);
    let (line, sink) = (MemoryLine::new(), NullStream::new());
    let door = Door::new(clock, config.clone(), store.clone(), sink, line.clone());
    let own = ORGANIZATION.parse().unwrap();
    let handshake = Handshake { organization: own, session_id: SESSION.parse().unwrap() };
    let set = async |listen: Listen| {
        let settings = Organization {
            id: own,
            platform: PlatformPlace::Region("usw2".to_owned()),
            client_ids: Vec::new(),
            listen,
            on_hold: OnHold::Pause,
            queues: Vec::new(),
            retention_days: None,
        };
        store.put_organization(&settings).await.unwrap();
    };
    set(Listen::Always).await;
    admit(&store, &clock, &config, connection(), handshake).await.unwrap();
    // For whoever comes from now on.
    set(Listen::Matched).await;
    message(&door, open()).await;
    let opened: serde_json::Value = serde_json::from_str(&line.said(&connection())[0]).unwrap();
    assert_eq!(opened["parameters"]["startPaused"], false, "{opened}");
    let item = store.connection(&connection(), clock.now()).await.unwrap().unwrap();
    let state = crate::state::ConnectionState::decode(&config.engine, &item.bytes).unwrap();
    assert_eq!(state.rest.listens, Some((Listen::Always, OnHold::Pause)));
}
