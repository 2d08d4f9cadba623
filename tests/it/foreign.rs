//! A client of foreign make: Python, the `websockets` package, and no code of ours.
//!
//! `tests/foreign/client.py` checks every answer itself and says what it saw; here stands what
//! must have come of it on this side.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use sidetone_delivery_wire::Body;
use sidetone_model::{ConversationId, SessionId, Timestamp};
use tokio::process::Command;
use uuid::Uuid;

use crate::world::{
    Ledger, LiveCall, ORGANIZATION, PATIENCE, Process, Running, Site, ada,
    assert_recording_is_exact, assert_talk_is_delivered, delivered, recording_files, until,
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ has a parent")
}

/// Returns a Python that has what the client needs.
fn python() -> PathBuf {
    let python = std::env::var_os("SIDETONE_PYTHON")
        .map_or_else(|| root().join(".venv/bin/python"), PathBuf::from);
    assert!(
        python.is_file(),
        "{} is missing: run `make test`, which makes it, or let SIDETONE_PYTHON name a Python \
         with what tests/requirements.txt asks for",
        python.display()
    );
    python
}

/// Starts the client; a probe without a conversation.
fn start(site: &Site, running: &Running, session: SessionId, more: &[&str]) -> Process {
    let mut command = Command::new(python());
    command
        .arg(root().join("tests/foreign/client.py"))
        .arg(&running.url)
        .args(["--organization", &ORGANIZATION.to_string()])
        .args(["--api-key", &site.credentials.api_key])
        .args(["--secret", &site.credentials.secret])
        .args(["--session", &session.to_string()])
        .args(more);
    Process::start(command)
}

/// Waits for the client's end, and returns what it saw.
async fn seen_by(client: Process) -> Value {
    let finished = client.finish(PATIENCE).await;
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    finished.json()
}

fn types(seen: &Value) -> Vec<&str> {
    let types = seen["types"].as_array().expect("a list");
    types.iter().map(|kind| kind.as_str().expect("a text")).collect()
}

fn sent(seen: &Value) -> Vec<u64> {
    let sent = seen["sent"].as_array().expect("a list");
    sent.iter().map(|position| position.as_u64().expect("a number")).collect()
}

fn assert_media_is_stereo_pcmu(seen: &Value) {
    let media = &seen["media"];
    assert_eq!(media.as_array().map(Vec::len), Some(1), "{media}");
    assert_eq!(media[0]["format"], "PCMU");
    assert_eq!(media[0]["channels"], serde_json::json!(["external", "internal"]));
}

fn fresh_session() -> SessionId {
    SessionId::new(Uuid::new_v4())
}

/// Returns when the session was opened: its media begins then.
fn opened_at(ledger: &Ledger, session: SessionId) -> Timestamp {
    let Some(Body::SessionStarted(started)) = ledger.of(session).next() else {
        panic!("{session} does not begin with its beginning")
    };
    Timestamp::from_micros(started.opened_at_us)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_is_answered_and_leaves_no_record() {
    let site = Site::new("").await;
    let running = site.run().await;
    let session = fresh_session();
    let seen = seen_by(start(&site, &running, session, &[])).await;
    assert_eq!(types(&seen), ["opened", "closed"]);
    assert_eq!(seen["start_paused"], false);
    let told = |told: &Value| told["session_id"] == session.to_string() && told["probe"] == true;
    running.process.told("of the probe", told).await;
    let finished = running.stop().await;
    let last: Value = serde_json::from_str(finished.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((&last["type"], &last["probes"]), (&"finished".into(), &1.into()));
    assert_eq!(Ledger::read(&site.data()).await.records, []);
    assert!(recording_files(&site.data()).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_matched_session_delivers_what_the_client_sent_while_the_agent_talked() {
    let site = Site::new("").await;
    let running = site.run().await;
    let mut call = LiveCall::begin(&site);
    let (session, conversation) = (fresh_session(), call.id().to_string());
    let more = ["--conversation", &conversation, "--seconds", "9"];
    let client = start(&site, &running, session, &more);
    // Opened before it rings, so that it begins paused.
    let data = site.data();
    until("the session is open", || async {
        Ledger::read(&data).await.of(session).next().is_some().then_some(())
    })
    .await;
    call.ring(ada());
    running.session_is(session, "listening").await;
    let answered_at = call.answer(ada());
    delivered(&site, session, 12).await;
    let ended_at = call.hang_up();
    let seen = seen_by(client).await;

    let types = types(&seen);
    assert_eq!((types.first(), types.last()), (Some(&"opened"), Some(&"closed")));
    for kind in ["pong", "resume", "pause"] {
        assert!(types.contains(&kind), "{types:?}");
    }
    assert_eq!(seen["start_paused"], true);
    assert_media_is_stereo_pcmu(&seen);
    assert_eq!(seen.get("disconnect"), None);
    running.recorded(session).await;
    let ledger = Ledger::read(&data).await;
    let begins = opened_at(&ledger, session);
    let talk = answered_at.since(begins)..ended_at.since(begins);
    assert_talk_is_delivered(&ledger, session, &ada().agent(), talk);
    let sent = sent(&seen);
    assert!(ledger.audio(session).keys().all(|position| sent.contains(position)));
    assert_recording_is_exact(&data, &ledger, session);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_always_session_delivers_everything_that_the_client_sent() {
    let site = Site::new("listen = \"always\"").await;
    let running = site.run().await;
    let session = fresh_session();
    let conversation = ConversationId::new(Uuid::new_v4()).to_string();
    let more = ["--conversation", &conversation, "--seconds", "3"];
    let seen = seen_by(start(&site, &running, session, &more)).await;

    assert_eq!(types(&seen), ["opened", "pong", "pong", "closed"]);
    assert_eq!(seen["start_paused"], false);
    assert_media_is_stereo_pcmu(&seen);
    let slowest = seen["round_trips_ms"].as_array().unwrap().iter().filter_map(Value::as_f64);
    assert!(slowest.fold(0.0, f64::max) < 1_000.0, "{seen}");
    running.recorded(session).await;
    let data = site.data();
    let ledger = Ledger::read(&data).await;
    ledger.assert_audio_is_true(session);
    let delivered: Vec<u64> = ledger.audio(session).into_keys().collect();
    assert_eq!(delivered, sent(&seen));
    assert_eq!(delivered.len(), 15);
    let end = ledger.end(session).expect("it ended");
    assert_eq!((end.frames_received, end.frames_accepted, end.frames_in_gaps), (15, 15, 0));
    assert_recording_is_exact(&data, &ledger, session);
    assert!(Duration::from_millis(end.streamed_ms) >= Duration::from_secs(3));
    running.stop().await;
}
