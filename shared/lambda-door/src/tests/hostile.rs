//! What no client of ours would send, and states that nobody of ours wrote.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use sidetone_audiohook_proto::Handshake;
use sidetone_model::{Listen, OnHold, Position, Timestamp};
use sidetone_ports::{ConnectionItem, ConnectionStore, StoreError, chain};

use super::stage::{ORGANIZATION, SESSION, World, connection, open, text};
use crate::DoorConfig;
use crate::arrival::Content;
use crate::inbox::Waiting;
use crate::state::{ConnectionState, StateError};
use crate::step::Event;
use crate::work::WorkError;

fn config(text_media: bool) -> DoorConfig {
    DoorConfig::new(Listen::Always, OnHold::Keep, text_media)
}

fn fresh(config: &DoorConfig) -> ConnectionState {
    let handshake = Handshake {
        organization: ORGANIZATION.parse().unwrap(),
        session_id: SESSION.parse().unwrap(),
    };
    let engine = Arc::clone(&config.engine);
    ConnectionState::new(Timestamp::from_millis(0), engine, connection(), handshake)
}

const KINDS: &[&str] =
    &["open", "ping", "media", "paused", "resumed", "discarded", "update", "close", "x"];

/// Messages that are nearly right.
fn message() -> impl Strategy<Value = String> {
    let number = || prop_oneof![0u64..8, Just(u64::MAX), Just(u64::MAX - 1)];
    let parameters = prop_oneof![
        Just(json!({})),
        Just(json!({ "frame": 1, "data": "AAAA" })),
        Just(json!({ "frame": u64::MAX, "data": "AAAAAAAA" })),
        Just(json!({ "frame": 2, "data": "" })),
        Just(json!({ "start": "PT1S", "discarded": "PT99999999S" })),
        Just(serde_json::from_str::<Value>(&open()).unwrap()["parameters"].clone()),
    ];
    let built = (prop::sample::select(KINDS), number(), number(), 0u64..10_000, parameters)
        .prop_map(|(kind, seq, serverseq, ms, parameters)| {
            text(kind, seq, serverseq, ms, parameters)
        });
    prop_oneof![4 => built, 1 => Just(open()), 1 => ".{0,40}"]
}

proptest! {
    #[test]
    fn no_text_makes_it_panic_or_lose_what_it_wrote(
        texts in prop::collection::vec((message(), 0i64..3_000), 1..40),
        text_media: bool,
    ) {
        let config = config(text_media);
        let mut state = fresh(&config);
        let mut now = Timestamp::from_millis(0);
        for (text, wait) in texts {
            now = now + Duration::from_millis(wait.unsigned_abs());
            state.step(&config, now, Event::Text(&text));
            state.assign(now, "me", |_| false, true);
            let bytes = state.encode().unwrap();
            prop_assert!(state.due().is_none_or(|due| due > now || state.deadline().is_none_or(|d| d > now)));
            state = ConnectionState::decode(&config.engine, &bytes).unwrap();
            prop_assert_eq!(state.encode().unwrap(), bytes);
        }
    }
}

#[test]
fn a_state_that_outgrows_the_store_drops_frames_and_says_so() {
    let config = config(true);
    let mut state = fresh(&config);
    let now = Timestamp::from_millis(1_000);
    state.step(&config, now, Event::Text(&open()));
    state.step(&config, now, Event::Conversation(&Default::default()));
    for frame in 1..=40 {
        let place = crate::arrival::Place { seq: 1, frame };
        let position = Position::from_millis((frame - 1) * 1_000);
        let content = Content::Media { position, data: vec![1; 16_000] };
        state.rest.inbox.insert(place, Waiting { at: now, print: 0, content });
        state.step(&config, now, Event::Due);
    }
    // More than the outbox keeps was refused before; what no step bounds, the store's item does.
    let outbox = state.outbox.as_ref().unwrap();
    assert!(outbox.audio_bytes() <= 160_000, "{}", outbox.audio_bytes());
    state.rest.hang_up = true;
    state.rest.replies.push_back(crate::state::Reply { seq: 9, text: "x".repeat(350_000) });
    assert!(state.encode().unwrap().len() <= ConnectionItem::BYTES_MAX);
    assert!(state.outbox.as_ref().unwrap().audio_bytes() < 60_000);
    state.rest.replies.push_back(crate::state::Reply { seq: 10, text: "x".repeat(350_000) });
    assert!(matches!(state.encode(), Err(StateError::TooLarge(_))));
}

#[test]
fn bytes_that_are_no_state_are_refused() {
    let config = config(false);
    for bytes in [&b""[..], b"\x00", b"\x01", b"\x01\x80", b"\xff\xff\xff", b"\x02\x90"] {
        assert!(ConnectionState::decode(&config.engine, bytes).is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_state_that_cannot_be_read_is_told_to_the_client_and_set_aside() {
    let world = World::new(13, false, Duration::ZERO);
    world.admit().await;
    world.message(&open()).await;
    let door = world.door(i64::MAX);
    let there = door.store.connection(&connection(), world.clock.now()).await.unwrap().unwrap();
    let item = ConnectionItem { bytes: b"\x63later".to_vec(), revision: there.revision };
    let (due, later) = (world.clock.now(), world.clock.now() + Duration::from_secs(3_600));
    door.store.put_connection(&connection(), item, Some(due), later).await.unwrap();
    world.message(&text("ping", 2, 1, 0, json!({}))).await;
    assert_eq!(world.kinds(), ["opened", "disconnect"]);
    let sweeper = world.sweeper();
    tokio::time::sleep(Duration::from_secs(2)).await;
    sweeper.abort();
    assert!(world.is_over(), "nobody looks at it again and again");
}

#[test]
fn what_failed_is_named_down_to_its_cause() {
    let denied = "AccessDeniedException: not authorized to perform: dynamodb:PutItem";
    let error = StoreError::unavailable("put a connection's state", denied);
    let told = chain(&WorkError::from(error));
    assert!(told.contains("dynamodb:PutItem"), "{told}");
    assert!(told.contains("put a connection's state"), "{told}");
}
