//! Nothing that is spoken while a call is paused leaves the socket: card numbers are.
//!
//! A client that sends audio after its `paused` breaks the protocol. What it sent then must be
//! found nowhere: not in the stream, the stores, the recordings, the log, nor anything printed.

use std::path::Path;

use sidetone_audiohook_proto::{ClientEvent, RetryPolicy};
use sidetone_genesys_sim::{LogEntry, PAUSED_MARKER, Scenario, Script};
use sidetone_model::SessionId;
use tokio_util::sync::CancellationToken;

use crate::world::{
    Client, Find, Ledger, LiveCall, Neighbour, Running, Site, ada, assert_recording_is_exact,
    binary_frame, bo, delivered, find_in_directory, find_in_text, frame, text_frame,
};

/// Enough of the marker to know it by, and little enough to lie on one page of a database.
const MARKER: &[u8] = PAUSED_MARKER.split_at(32).0;

/// Everything is logged, so that a log that says too much is caught.
const CHATTY: &[&str] = &["-vv"];

/// A frame of 100 ms that must go nowhere.
fn marker_frame() -> Vec<u8> {
    let payload: Vec<u8> = PAUSED_MARKER.iter().copied().cycle().take(1_600).collect();
    binary_frame(&payload)
}

/// Looks everywhere, once all is written.
async fn assert_marker_is_nowhere(site: Site, running: Running, spoken_at: u64) {
    let data = site.data();
    // While it runs the databases have logs beside them.
    let mut finds = find_in_directory(&data, MARKER);
    let finished = running.stop().await;
    finds.extend(find_in_directory(&data, MARKER));
    finds.extend(find_in_text(&finished.stdout, MARKER));
    finds.extend(find_in_text(&finished.stderr, MARKER));
    assert_eq!(finds, []);
    assert!(finished.stderr.contains("audio while paused"), "{}", finished.stderr);
    assert_search_finds_what_is_there(&data, spoken_at);
}

/// Looks for audio that was meant to be delivered, as a search that finds nothing proves
/// nothing.
fn assert_search_finds_what_is_there(data: &Path, spoken_at: u64) {
    let finds = find_in_directory(data, &frame(spoken_at, 16));
    let found = |end: &str, form: &str| {
        finds.iter().any(|Find { place, form: its }| place.ends_with(end) && *its == form)
    };
    assert!(found("stream.db", "as sent") || found("stream.db-wal", "as sent"), "{finds:?}");
    assert!(found(".wav", "decoded"), "{finds:?}");
}

/// A hand-made client on a call that an agent has answered.
async fn on_the_phone(site: &Site, running: &Running) -> (LiveCall, Client) {
    let mut call = LiveCall::begin(site);
    let (mut client, opened) = Client::open(site, running, call.id()).await;
    assert_eq!(opened["parameters"]["startPaused"], true);
    client.pause().await;
    call.ring(ada());
    client.hear("resume").await;
    client.resume().await;
    call.answer(ada());
    (call, client)
}

/// Waits until a session's last record is in the stream, and its recording lies there.
async fn ended(site: &Site, running: &Running, session: SessionId) -> Ledger {
    running.session_is(session, "ended").await;
    running.recorded(session).await;
    Ledger::read(&site.data()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn audio_in_the_same_segment_as_paused_goes_nowhere() {
    let site = Site::new("").await;
    let running = site.run_with(CHATTY).await;
    let neighbour = Neighbour::begin(&site, &running, bo()).await;
    let (mut call, mut client) = on_the_phone(&site, &running).await;
    client.talk(12).await;
    let (session, spoken_at) = (client.session, client.sent[8]);
    delivered(&site, session, 8).await;
    // The customer is asked for a card number: the call's own flow pauses.
    let paused = text_frame(&client.paused_message());
    client.send(&[paused, marker_frame(), marker_frame()].concat()).await;
    client.send_in_vain(&marker_frame()).await;
    let told = client.leave_when_told().await;
    assert_eq!(told["reason"], "error", "{told}");
    call.hang_up();
    let ledger = ended(&site, &running, session).await;
    ledger.assert_audio_is_true(session);
    assert_recording_is_exact(&site.data(), &ledger, session);
    neighbour.takes_no_harm(&site, &running).await;
    assert_marker_is_nowhere(site, running, spoken_at).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn audio_behind_our_own_pause_is_accepted_until_the_client_says_paused() {
    let site = Site::new("on_hold = \"pause\"").await;
    let running = site.run_with(CHATTY).await;
    let (mut call, mut client) = on_the_phone(&site, &running).await;
    client.talk(12).await;
    let (session, spoken_at) = (client.session, client.sent[8]);
    call.hold(ada());
    client.hear("pause").await;
    // On its way when we said so, and the agent's: it is delivered.
    let first_in_flight = client.samples;
    client.talk(3).await;
    let said = client.ping().await;
    assert!(said.iter().all(|message| message["type"] != "disconnect"), "{said:?}");
    let paused = text_frame(&client.paused_message());
    client.send(&[paused, marker_frame()].concat()).await;
    let told = client.leave_when_told().await;
    assert_eq!(told["reason"], "error", "{told}");
    call.hang_up();
    let ledger = ended(&site, &running, session).await;
    let audio = ledger.audio(session);
    for place in 0..3 {
        let position = first_in_flight + place * 800;
        let audio = audio.get(&position).unwrap_or_else(|| panic!("{position} in {audio:?}"));
        assert_eq!(audio.agent_id, ada().agent().as_str());
        // The first begins in the moment in which the agent pressed hold.
        assert!(audio.held || place == 0, "{position} is not marked as held");
    }
    ledger.assert_audio_is_true(session);
    assert_recording_is_exact(&site.data(), &ledger, session);
    assert_marker_is_nowhere(site, running, spoken_at).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn audio_long_after_paused_goes_nowhere_and_a_pause_in_order_goes_on() {
    let site = Site::new("on_hold = \"pause\"").await;
    let running = site.run_with(CHATTY).await;
    let (mut call, mut client) = on_the_phone(&site, &running).await;
    client.talk(12).await;
    let (session, spoken_at) = (client.session, client.sent[8]);
    call.hold(ada());
    client.hear("pause").await;
    client.pause().await;
    call.retrieve(ada());
    client.hear("resume").await;
    client.resume().await;
    let resumed_at = client.samples;
    client.talk(6).await;
    client.pause().await;
    client.ping().await;
    client.send(&marker_frame()).await;
    let told = client.leave_when_told().await;
    assert_eq!(told["reason"], "error", "{told}");
    call.hang_up();
    let ledger = ended(&site, &running, session).await;
    let after: Vec<u64> =
        ledger.audio(session).into_keys().filter(|at| *at >= resumed_at).collect();
    assert_eq!(after, (0..6).map(|place| resumed_at + place * 800).collect::<Vec<_>>());
    ledger.assert_audio_is_true(session);
    assert_marker_is_nowhere(site, running, spoken_at).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_simulated_client_that_will_not_be_quiet_is_cut_off() {
    let site = Site::new("").await;
    let running = site.run_with(CHATTY).await;
    // Its first pause is the answer to `opened`, so it breaks the rule at once.
    let stage = site.stage(&running);
    let stop = CancellationToken::new();
    let script = Script::new(Scenario::SecurePause, 7);
    let played = tokio::spawn({
        let stop = stop.clone();
        async move {
            let never = RetryPolicy { retries_max: 0, ..RetryPolicy::default() };
            stage
                .play_with(script, &stop, move |_, plan| {
                    plan.config.faults.frames_after_paused = 2;
                    plan.retries = never;
                })
                .await
        }
    });
    running.process.logs("audio while paused").await;
    running.process.told("of the session's end", |told| told["state"] == "ended").await;
    stop.cancel();
    let played = played.await.expect("the simulation does not panic");
    assert_eq!(played.sessions.len(), 1);
    let told = |entry: &LogEntry| matches!(entry.event, ClientEvent::Disconnected { .. });
    assert!(played.sessions[0].log.iter().any(told), "{played:#?}");
    let data = site.data();
    let finished = running.stop().await;
    let mut finds = find_in_directory(&data, MARKER);
    finds.extend(find_in_text(&finished.stdout, MARKER));
    finds.extend(find_in_text(&finished.stderr, MARKER));
    assert_eq!(finds, []);
}
