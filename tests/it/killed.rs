//! The process dies in mid-call, as by SIGKILL or a power cut, and is started again.

use std::path::Path;
use std::time::Duration;

use sidetone_delivery_wire::{Body, EndCause, Gap};
use sidetone_model::{Position, SessionId, Timestamp};

use crate::world::{
    Ledger, LiveCall, Neighbour, Running, SimCaller, Site, ada, assert_recording_is_exact, bo,
    delivered, recording, recording_files, until,
};

/// How much of a call may be lost with the process.
const LOST_MAX: Duration = Duration::from_millis(400);

/// How much the client sends at a time; what it has not sent is not lost.
const FRAME: Duration = Duration::from_millis(200);

/// A call in the middle of which the process will die.
async fn doomed_call(site: &Site, running: &Running) -> (LiveCall, SimCaller) {
    let mut call = LiveCall::begin(site);
    let caller = SimCaller::call(site, site.target(running), call.id());
    running.session_is(caller.session, "paused").await;
    call.ring(ada());
    running.session_is(caller.session, "listening").await;
    call.answer(ada());
    (call, caller)
}

/// Copies what the dead process left, so that looking at it changes nothing.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("writable");
    for entry in std::fs::read_dir(from).expect("readable").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("writable");
        }
    }
}

fn open_gaps(ledger: &Ledger, session: SessionId) -> Vec<&Gap> {
    let bodies = ledger.of(session);
    let gaps = bodies.filter_map(|body| if let Body::Gap(gap) = body { Some(gap) } else { None });
    gaps.filter(|gap| gap.open).collect()
}

/// Asserts that nothing but the last moments before the end is missing.
fn assert_little_was_lost(before: &Ledger, caller: &SimCaller, killed_at: Timestamp) {
    before.assert_audio_is_true(caller.session);
    let stretches = before.stretches(caller.session);
    let [stretch] = stretches.as_slice() else { panic!("not in one piece: {stretches:?}") };
    let committed = Position::from_samples(stretch.end).as_duration();
    let lost = killed_at.since(caller.begins).saturating_sub(committed);
    assert!(lost <= LOST_MAX + FRAME, "{lost:?} of the call were not committed");
}

/// Asserts that the recording of an interrupted call holds all that was committed, and says
/// that more is missing.
fn assert_recording_declares_the_loss(site: &Site, after: &Ledger, session: SessionId) {
    let gaps = open_gaps(after, session);
    assert_eq!(gaps.len(), 1, "{gaps:#?}");
    assert_eq!(after.end(session).map(|end| end.cause()), Some(EndCause::Lost));
    assert_recording_is_exact(&site.data(), after, session);
    let sidecar = recording(&site.data(), session).sidecar;
    assert_eq!(sidecar.end.map(|end| end.cause).as_deref(), Some("lost"));
    let committed = after.stretches(session).last().expect("there is audio").end;
    let [gap] = sidecar.gaps.as_slice() else { panic!("one gap: {:#?}", sidecar.gaps) };
    assert_eq!((gap.from, gap.to, gap.open), (committed, None, true));
    assert_eq!(gap.reason, "lost");
    assert_eq!(sidecar.agents[0].agent, ada().agent());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_keeps_what_was_committed_and_declares_the_rest() {
    let site = Site::new("").await;
    let running = site.run().await;
    let finished_call = Neighbour::begin(&site, &running, bo()).await;
    let (mut first, first_caller) = doomed_call(&site, &running).await;
    let (mut second, second_caller) = doomed_call(&site, &running).await;
    finished_call.takes_no_harm(&site, &running).await;
    let finished_files = recording_files(&site.data());
    assert_eq!(finished_files.len(), 2);
    delivered(&site, second_caller.session, 10).await;

    let killed_at = site.clock.now();
    let killed = running.process.kill().await;
    assert_eq!(killed.code, None);
    let left = site.path("left");
    copy(&site.data(), &left);
    let before = Ledger::read(&left).await;
    let doomed = [&first_caller, &second_caller];
    for caller in doomed {
        assert_little_was_lost(&before, caller, killed_at);
        assert_eq!(before.end(caller.session), None);
    }

    let running = site.run().await;
    for caller in doomed {
        running.recorded(caller.session).await;
    }
    let after = Ledger::read(&site.data()).await;
    assert_eq!(after.records[..before.records.len()], before.records);
    for caller in doomed {
        assert_recording_declares_the_loss(&site, &after, caller.session);
    }
    let files = recording_files(&site.data());
    assert_eq!(files.len(), 6);
    for (path, bytes) in &finished_files {
        assert!(files[path] == *bytes, "{} was touched", path.display());
    }

    first.hang_up();
    second.hang_up();
    let next = Neighbour::begin(&site, &running, bo()).await;
    next.takes_no_harm(&site, &running).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_over_and_over_declares_a_loss_once() {
    let site = Site::new("").await;
    let running = site.run().await;
    let (_call, caller) = doomed_call(&site, &running).await;
    let session = caller.session;
    delivered(&site, session, 5).await;
    running.process.kill().await;
    for _ in 0..3 {
        // It listens, and is about to sweep, or has swept, or records.
        let config = site.config().display().to_string();
        let starting = site.start(["run", "--json", "--config", &config]);
        starting.told("where it listens", |told| told["type"] == "started").await;
        starting.kill().await;
    }
    let running = site.run().await;
    let data = site.data();
    until("the interrupted call is recorded", || async {
        let files = recording_files(&data);
        files.keys().any(|path| path.to_string_lossy().ends_with(".json")).then_some(())
    })
    .await;
    running.stop().await;
    let ledger = Ledger::read(&data).await;
    assert_recording_declares_the_loss(&site, &ledger, session);
    assert_eq!(recording_files(&data).len(), 2);
}
