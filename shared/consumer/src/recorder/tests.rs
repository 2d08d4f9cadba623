//! Recordings of whole sessions, read back with another reader than their writer.

use sidetone_delivery_wire::CallEventKind::{Ended, Held, Retrieved, Ringing, Started};
use sidetone_delivery_wire::{AudioFormat, CallEvent, MediaChannel};
use sidetone_model::{ConnectionId, Listen};
use sidetone_ports::{RecordSink, StreamRecord};

use super::*;
use crate::sidecar::{SidecarConnection, recording_name};
use crate::testing::{
    MemoryCheckpoints, MemoryRecordings, MemoryStream, Script, conversation_key, delivered, event,
    heard, opened_at, read_wav, session_id, stream_of,
};

/// A recorder over stores in memory.
struct Bench {
    recordings: MemoryRecordings,
    recorder: Recorder<MemoryRecordings>,
    folder: tempfile::TempDir,
    next: Sequence,
}

impl Bench {
    fn new() -> Self {
        let recordings = MemoryRecordings::default();
        let folder = tempfile::tempdir().unwrap();
        let recorder = Recorder::new(recordings.clone(), folder.path().join("scratch"));
        Self { recordings, recorder, folder, next: 1 }
    }

    /// Puts another process in the recorder's place.
    fn restart(&mut self) {
        self.recorder = Recorder::new(self.recordings.clone(), self.folder.path().join("scratch"));
    }

    /// Delivers stream records as one batch.
    async fn take(&mut self, parts: impl IntoIterator<Item = bytes::Bytes>) {
        let first = self.next;
        let batch: Vec<Delivered> =
            (first..).zip(parts).map(|(sequence, data)| delivered(sequence, data)).collect();
        self.next += batch.len() as u64;
        self.recorder.handle_batch(&batch).await.unwrap();
    }

    async fn tidy(&mut self, after: Duration) {
        self.recorder.tidy(opened_at() + after).await.unwrap();
    }

    fn file(&self, session: u32, ending: &str) -> Option<bytes::Bytes> {
        let name = recording_name(conversation_key(), session_id(session));
        self.recordings.file(&format!("{name}.{ending}"))
    }

    fn wav(&self, session: u32) -> Option<Vec<(i16, i16)>> {
        self.file(session, "wav").map(read_wav)
    }

    fn sidecar(&self, session: u32) -> Sidecar {
        serde_json::from_slice(&self.file(session, "json").expect("a sidecar")).unwrap()
    }
}

/// Records a session from its scripts, each as one stream record.
async fn recorded(scripts: &[Script]) -> Bench {
    let mut bench = Bench::new();
    bench.take(scripts.iter().map(Script::data)).await;
    bench
}

fn started(leg: &str, agent: &str, millis: u64) -> CallEvent {
    event(Started, leg, agent, millis)
}

fn ended(leg: &str, agent: &str, millis: u64) -> CallEvent {
    event(Ended, leg, agent, millis)
}

fn silence(millis: u64) -> Vec<(i16, i16)> {
    vec![(0, 0); millis as usize * 8]
}

/// What is heard from one millisecond to another.
fn sound(from_ms: u64, to_ms: u64) -> Vec<(i16, i16)> {
    heard(from_ms * 8, (to_ms - from_ms) * 8)
}

/// A call with a hold, told from beginning to end.
fn whole_call() -> Script {
    Script::new("c")
        .start("matched")
        .matched("", "no-agent", 0)
        .event(event(Ringing, "l1", "ada", 0))
        .matched("ada", "", 1_600)
        .event(CallEvent { queue_id: "queue-1".into(), ..started("l1", "ada", 200) })
        .frames(200, 1_000)
        .event(event(Held, "l1", "ada", 500))
        .event(event(Retrieved, "l1", "ada", 700))
        .event(CallEvent { end_reason: "peer".into(), ..ended("l1", "ada", 1_000) })
        .end(8_000)
}

#[tokio::test]
async fn a_call_becomes_a_wav_and_a_sidecar() {
    let bench = recorded(&[whole_call()]).await;
    assert_eq!(bench.wav(1).unwrap(), sound(200, 1_000));
    let sidecar = bench.sidecar(1);
    assert_eq!(sidecar.organization, conversation_key().organization);
    assert_eq!(sidecar.session, session_id(1));
    assert_eq!(sidecar.started_at.as_deref(), Some("2026-08-15T09:00:00.000Z"));
    assert_eq!(sidecar.listen, Some(Listen::Matched));
    assert_eq!(sidecar.media.as_ref().unwrap().channels[0], sidetone_model::MediaChannel::External);
    assert_eq!((sidecar.start_position, sidecar.end_position), (Some(1_600), Some(8_000)));
    assert_eq!((sidecar.start_ms, sidecar.end_ms), (Some(200), Some(1_000)));
    let end = sidecar.end.as_ref().unwrap();
    assert_eq!((end.cause.as_str(), end.position), ("closed", 8_000));
    let agent = &sidecar.agents[0];
    assert_eq!((agent.agent.as_str(), agent.from, agent.to), ("ada", 1_600, Some(8_000)));
    assert_eq!(
        (agent.queue.as_deref(), agent.end_reason.as_deref()),
        (Some("queue-1"), Some("peer"))
    );
    assert_eq!((sidecar.holds[0].from_ms, sidecar.holds[0].to_ms), (500, Some(700)));
    assert_eq!(sidecar.matches[0].reason.as_deref(), Some("no-agent"));
    assert_eq!((sidecar.matches[1].ms, sidecar.unmatched_reason), (200, None));
    assert_eq!((sidecar.audio.frames, sidecar.audio.samples), (8, 6_400));
    assert_eq!(sidecar.counters.unwrap().frames_received, 7);
    let connection = SidecarConnection { id: ConnectionId::new("c"), last_number: 17 };
    assert_eq!((sidecar.connections, sidecar.complete), (vec![connection], true));
    assert_eq!(bench.recordings.part_count(), 0);
    let left = std::fs::read_dir(bench.folder.path().join("scratch")).unwrap().count();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn nothing_is_recorded_before_the_end() {
    let mut bench = Bench::new();
    let mut parts = whole_call().parts(1);
    let end = parts.pop().unwrap();
    bench.take(parts).await;
    bench.tidy(Duration::from_secs(7_200)).await;
    assert_eq!((bench.file(1, "json"), bench.recordings.part_count()), (None, 1));
    bench.restart();
    bench.take([end]).await;
    assert_eq!(bench.wav(1).unwrap(), sound(200, 1_000));
}

#[tokio::test]
async fn audio_goes_to_whom_later_events_give_it() {
    let script = Script::new("c")
        .start("matched")
        .event(started("l1", "ada", 0))
        .frames(0, 2_000)
        // She had left long before; the next one came on a little later.
        .event(ended("l1", "ada", 500))
        .event(started("l2", "bo", 1_000))
        .event(ended("l2", "bo", 2_000))
        .end(16_000);
    let bench = recorded(&[script]).await;
    // 250 ms behind an end and 50 ms before a start are kept, so that no word is cut.
    let expected = [sound(0, 750), silence(200), sound(950, 2_000)].concat();
    assert_eq!(bench.wav(1).unwrap(), expected);
    let sidecar = bench.sidecar(1);
    let agents: Vec<_> =
        sidecar.agents.iter().map(|one| (one.agent.as_str(), one.from_ms, one.to_ms)).collect();
    assert_eq!(agents, [("ada", 0, Some(500)), ("bo", 1_000, Some(2_000))]);
    assert_eq!(sidecar.audio.samples_of_nobody, 200 * 8);
}

#[tokio::test]
async fn the_greeting_is_there_although_its_start_was_told_late() {
    let script = Script::new("c")
        .start("matched")
        .event(event(Ringing, "l1", "ada", 0))
        .event(started("l1", "ada", 800))
        .frames(300, 1_500)
        .event(started("l1", "ada", 300))
        .event(ended("l1", "ada", 1_500))
        .end(12_000);
    let bench = recorded(&[script]).await;
    assert_eq!(bench.wav(1).unwrap(), sound(300, 1_500));
}

#[tokio::test]
async fn a_start_that_moves_back_silences_what_came_before_it() {
    let script = Script::new("c")
        .start("matched")
        .event(started("l1", "ada", 0))
        .frames(0, 1_000)
        .event(started("l1", "ada", 400))
        .end(8_000);
    let bench = recorded(&[script]).await;
    assert_eq!(bench.wav(1).unwrap(), sound(350, 1_000));
    assert_eq!(bench.sidecar(1).start_position, Some(2_800));
}

#[tokio::test]
async fn what_is_missing_keeps_its_time() {
    let script = Script::new("c")
        .start("matched")
        .event(started("l1", "ada", 0))
        .frames(100, 300)
        .gap(2_400, 4_000)
        .frames(500, 600)
        .paused(4_800, true)
        .resumed(4_800, 8_000)
        .frames(1_000, 1_100)
        .paused(8_800, false)
        .end(8_800);
    let bench = recorded(&[script]).await;
    let expected =
        [sound(100, 300), silence(200), sound(500, 600), silence(400), sound(1_000, 1_100)]
            .concat();
    assert_eq!(bench.wav(1).unwrap(), expected);
    let sidecar = bench.sidecar(1);
    let gap = &sidecar.gaps[0];
    assert_eq!((gap.from_ms, gap.to_ms, gap.reason.as_str()), (300, Some(500), "overflow"));
    let pauses: Vec<_> =
        sidecar.pauses.iter().map(|one| (one.from_ms, one.to_ms, one.asked)).collect();
    assert_eq!(pauses, [(600, Some(1_000), Some(true)), (1_100, None, Some(false))]);
}

fn call_of_a_dead_door() -> [Script; 2] {
    let call = Script::new("c").start("matched").event(started("l1", "ada", 0)).frames(0, 700);
    [call, Script::new("sweep-c").open_gap("c").lost()]
}

#[tokio::test]
async fn a_dead_door_leaves_an_open_gap() {
    let mut bench = recorded(&call_of_a_dead_door()).await;
    assert_eq!(bench.wav(1).unwrap(), sound(0, 700));
    let sidecar = bench.sidecar(1);
    let gap = &sidecar.gaps[0];
    assert_eq!((gap.from_ms, gap.to, gap.reason.as_str(), gap.open), (700, None, "lost", true));
    assert_eq!(sidecar.end.unwrap().cause, "lost");
    assert_eq!((sidecar.counters, sidecar.complete), (None, false));
    // Its parts stay for an hour, should the door not be dead after all.
    bench.tidy(Duration::from_secs(600)).await;
    assert_eq!(bench.recordings.part_count(), 2);
    bench.tidy(Duration::from_secs(4_000)).await;
    assert_eq!(bench.recordings.part_count(), 0);
}

#[tokio::test]
async fn a_door_that_was_not_dead_after_all_is_heard_to_its_end() {
    let [call, sweep] = call_of_a_dead_door();
    let mut bench = recorded(&[call.clone(), sweep]).await;
    let longer = call.frames(700, 1_500);
    let known = longer.parts(1).len();
    bench.take(longer.parts(1).split_off(known - 8)).await;
    assert_eq!(bench.wav(1).unwrap(), sound(0, 700));
    bench.tidy(Duration::from_secs(120)).await;
    assert_eq!(bench.wav(1).unwrap(), sound(0, 1_500));
    bench.restart();
    let ended = longer.frames(1_500, 1_600).end(12_800);
    bench.take(ended.parts(1).split_off(known)).await;
    assert_eq!(bench.wav(1).unwrap(), sound(0, 1_600));
    let sidecar = bench.sidecar(1);
    assert_eq!(sidecar.end.unwrap().cause, "closed");
    assert!(sidecar.gaps.is_empty() && sidecar.complete, "the door said itself how it ended");
}

#[tokio::test]
async fn too_late_is_kept_counted_and_overwrites_nothing() {
    let mut bench = recorded(&[whole_call()]).await;
    let (wav, before) = (bench.file(1, "wav"), bench.sidecar(1));
    bench.restart();
    let late = Script::new("d").start("matched").event(started("l9", "cy", 0)).frames(0, 100);
    bench.take([late.data()]).await;
    bench.take([late.data()]).await;
    bench.take(late.clone().end(800).parts(1).split_off(3)).await;
    let after = bench.sidecar(1);
    assert_eq!(after.late_records, 4);
    assert_eq!(Sidecar { late_records: 0, ..after }, before);
    assert_eq!((bench.file(1, "wav"), bench.recordings.part_count()), (wav, 2));
    let puts = *bench.recordings.puts.lock().unwrap();
    bench.restart();
    bench.take([late.data()]).await;
    bench.tidy(Duration::from_secs(9_999)).await;
    assert_eq!(*bench.recordings.puts.lock().unwrap(), puts);
}

#[tokio::test]
async fn what_comes_again_after_the_end_is_known() {
    let mut bench = recorded(&[whole_call()]).await;
    let puts = *bench.recordings.puts.lock().unwrap();
    bench.take(whole_call().parts(1)).await;
    bench.restart();
    bench.take(whole_call().parts(2)).await;
    bench.take([whole_call().data()]).await;
    assert_eq!(*bench.recordings.puts.lock().unwrap(), puts);
    assert_eq!(bench.recordings.part_count(), 0);
}

#[tokio::test]
async fn parts_left_behind_by_a_dying_process_are_removed() {
    let mut bench = Bench::new();
    bench.recordings.fail_removing(1);
    let batch = stream_of(whole_call().parts(4));
    assert!(bench.recorder.handle_batch(&batch).await.is_err());
    assert_eq!(bench.recordings.part_count(), 1);
    bench.restart();
    bench.recorder.handle_batch(&batch).await.unwrap();
    assert_eq!(bench.recordings.part_count(), 0);
    // And without the end coming again.
    let name = PartName { connection: ConnectionId::new("c"), first: 1, last: 17, ends: true };
    let session = stored_session(conversation_key(), session_id(1));
    let part = Part { session, name, data: whole_call().data() };
    bench.recordings.put_parts(vec![part]).await.remove(0).unwrap();
    bench.restart();
    bench.tidy(Duration::ZERO).await;
    assert_eq!(bench.recordings.part_count(), 0);
}

#[tokio::test]
async fn of_twins_each_has_its_own_recording() {
    let first =
        Script::new("c").start("matched").event(started("l1", "ada", 0)).frames(0, 500).end(4_000);
    let second = Script::of(2, "d")
        .start("matched")
        .matched("", "duplicate", 0)
        .event(started("l1", "ada", 0))
        // It takes over when the first is gone.
        .matched("ada", "", 4_000)
        .frames(500, 900)
        .event(ended("l1", "ada", 900))
        .end(7_200);
    let third = Script::of(3, "e").start("matched").matched("", "duplicate", 0).end(0);
    let bench = recorded(&[first, second, third]).await;
    assert_eq!(bench.wav(1).unwrap(), sound(0, 500));
    assert_eq!(bench.wav(2).unwrap(), sound(500, 900));
    assert_eq!(bench.wav(3), None);
    assert_eq!(bench.sidecar(3).unmatched_reason.as_deref(), Some("duplicate"));
}

#[tokio::test]
async fn every_media_becomes_the_same_stereo() {
    use MediaChannel::{External, Internal};
    let loud = audio_codec_algorithms::decode_ulaw(0x80);
    for (format, channels, data, expected) in [
        (AudioFormat::Pcmu, &[External, Internal][..], &[0x80, 0xFF][..], (loud, 0)),
        (AudioFormat::Pcmu, &[Internal, External], &[0x80, 0xFF], (0, loud)),
        (AudioFormat::Pcmu, &[External], &[0x80], (loud, 0)),
        (AudioFormat::Pcmu, &[Internal], &[0x80], (0, loud)),
        (AudioFormat::L16, &[Internal, External], &[0x01, 0x02, 0x03, 0x04], (0x0403, 0x0201)),
        (AudioFormat::L16, &[External], &[0xFE, 0xFF], (-2, 0)),
    ] {
        let script = Script::new("c")
            .start_with("always", format, channels)
            .audio_of(0, 100, data.repeat(100).into())
            .end(100);
        let bench = recorded(&[script]).await;
        assert_eq!(bench.wav(1).unwrap(), vec![expected; 100], "{format:?} {channels:?}");
    }
}

#[tokio::test]
async fn without_audio_there_is_a_sidecar_that_says_why() {
    let unmatched = Script::new("c").start("matched").matched("", "no-agent", 0).end(960_000);
    // No audio at all, an empty frame, and a session that took no media.
    let empty = Script::of(2, "d").start("always").audio(0, 0).end(0);
    let refused = Script::of(3, "e")
        .start_with("matched", AudioFormat::Unspecified, &[])
        .audio(0, 160)
        .end(0);
    let bench = recorded(&[unmatched, empty, refused]).await;
    for session in 1..=3 {
        let sidecar = bench.sidecar(session);
        assert_eq!((sidecar.wav, sidecar.start_position), (None, None));
        assert_eq!(bench.wav(session), None);
    }
    assert_eq!(bench.sidecar(1).unmatched_reason.as_deref(), Some("no-agent"));
    assert_eq!(bench.sidecar(3).media, None);
}

#[tokio::test]
async fn listening_always_keeps_what_is_nobodys() {
    let script = |listen| {
        Script::new("c")
            .start(listen)
            .frames(0, 300)
            .event(started("l1", "ada", 300))
            .frames(300, 600)
            .event(ended("l1", "ada", 400))
            .end(4_800)
    };
    let bench = recorded(&[script("always")]).await;
    assert_eq!(bench.wav(1).unwrap(), sound(0, 600));
    assert_eq!(bench.sidecar(1).agents[0].from_ms, 300);
    let bench = recorded(&[script("ready")]).await;
    assert_eq!(bench.wav(1).unwrap(), sound(250, 600));
}

#[tokio::test]
async fn a_wav_that_turns_out_to_be_nobodys_is_emptied() {
    let [call, sweep] = call_of_a_dead_door();
    let mut bench = recorded(&[call.clone(), sweep]).await;
    let taken_back = call.event(started("l1", "", 0)).end(5_600);
    bench.take(taken_back.parts(1).split_off(9)).await;
    assert_eq!(bench.wav(1).unwrap(), []);
    assert_eq!(bench.sidecar(1).audio.samples_of_nobody, 5_600);
}

#[tokio::test]
async fn missing_numbers_are_named_and_still_put_in_when_they_come() {
    let mut parts = whole_call().parts(1);
    let late = parts.remove(7);
    let mut bench = Bench::new();
    bench.take(parts).await;
    let expected = [sound(200, 400), silence(100), sound(500, 1_000)].concat();
    assert_eq!(bench.wav(1).unwrap(), expected);
    let sidecar = bench.sidecar(1);
    assert_eq!((sidecar.missing[0].from, sidecar.missing[0].to), (8, 8));
    assert!(!sidecar.complete);
    bench.restart();
    bench.take([late]).await;
    assert_eq!(bench.wav(1).unwrap(), sound(200, 1_000));
    assert_eq!((bench.sidecar(1).missing.len(), bench.recordings.part_count()), (0, 0));
}

#[tokio::test]
async fn records_of_two_conversations_under_one_session_stay_apart() {
    let mut other = conversation_key();
    other.conversation = "c0ffee12-3456-4789-8abc-def0123456ff".parse().unwrap();
    let own = whole_call().parts(4);
    let script = Script::new("c").in_conversation(other).start("always").frames(0, 100).end(800);
    let mut bench = Bench::new();
    bench.take([own[0].clone(), script.data(), own[1].clone()]).await;
    bench.take(own[2..].to_vec()).await;
    assert_eq!(bench.wav(1).unwrap(), sound(200, 1_000));
    let name = recording_name(other, session_id(1));
    assert_eq!(read_wav(bench.recordings.file(&format!("{name}.wav")).unwrap()), sound(0, 100));
}

#[tokio::test]
async fn a_file_in_the_way_stays_and_stops_nobody() {
    let mut bench = Bench::new();
    let name = format!("{}.json", recording_name(conversation_key(), session_id(1)));
    bench.recordings.files.lock().unwrap().insert(name, b"not a sidecar".to_vec().into());
    let other = Script::of(2, "d").start("always").frames(0, 100).end(800);
    bench.take([whole_call().data(), bytes::Bytes::from_static(b"\xff"), other.data()]).await;
    assert_eq!(bench.file(1, "json").unwrap().as_ref(), b"not a sidecar");
    assert_eq!((bench.wav(1), bench.wav(2).unwrap()), (None, sound(0, 100)));
    assert_eq!(bench.recordings.part_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn runs_until_told_to_stop_through_faults() {
    let bench = Bench::new();
    let stream = MemoryStream::of(stream_of(whole_call().parts(3)));
    stream.fail(2);
    bench.recordings.fail_removing(1);
    let checkpoints = MemoryCheckpoints::default();
    let clock = Clock::starting_at(opened_at(), 1.0);
    let stop = tokio_stop();
    let health = bench.recorder.health();
    let running = tokio::spawn(bench.recorder.run(stream, checkpoints.clone(), clock, stop.1));
    let (recordings, limit) = (bench.recordings.clone(), clock.now() + Duration::from_secs(60));
    let is_done = || !checkpoints.0.lock().unwrap().is_empty() && health.unfinished() == 0;
    while !is_done() && clock.now() < limit {
        clock.sleep(Duration::from_millis(100)).await;
    }
    stop.0.send(()).unwrap();
    running.await.unwrap();
    assert_eq!(checkpoints.0.lock().unwrap().get(RECORDER_NAME), Some(&6));
    assert_eq!(recordings.part_count(), 0);
    assert_eq!(recordings.files.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn works_on_the_embedded_ports() {
    let folder = tempfile::tempdir().unwrap();
    let stream = sidetone_ports_embedded::Stream::in_memory(Clock::system()).unwrap();
    let place = folder.path().join("recordings");
    let recordings =
        sidetone_ports_embedded::Recordings::open(&folder.path().join("parts"), &place).unwrap();
    let partition_key = conversation_key().conversation;
    let put = |data| StreamRecord { partition_key, data };
    for part in whole_call().parts(3) {
        stream.put(vec![put(part.clone()), put(part)]).await.unwrap();
    }
    let (stop, stopped) = tokio_stop();
    let recorder = Recorder::new(recordings.clone(), folder.path().join("scratch"));
    let health = recorder.health();
    let running =
        tokio::spawn(recorder.run(stream.clone(), stream.clone(), Clock::system(), stopped));
    let limit = std::time::Instant::now() + Duration::from_secs(300);
    let is_read =
        async || stream.checkpoint(RECORDER_NAME).await.unwrap() >= stream.tip().await.unwrap();
    while !is_read().await || health.unfinished() > 0 {
        assert!(std::time::Instant::now() < limit, "the recorder does not get on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.send(()).unwrap();
    running.await.unwrap();
    let name = recording_name(conversation_key(), session_id(1));
    let wav = std::fs::read(place.join(format!("{name}.wav"))).unwrap();
    assert_eq!(read_wav(wav), sound(200, 1_000));
    assert!(recordings.sessions_with_parts().await.unwrap().is_empty());
    let found = crate::find_sessions(&stream, partition_key).await.unwrap();
    let sidecar = recordings.recording(&format!("{name}.json")).await.unwrap().unwrap();
    assert_eq!(found[0].sidecar(), serde_json::from_slice(&sidecar).unwrap());
}

fn tokio_stop() -> (tokio::sync::oneshot::Sender<()>, impl Future<Output = ()> + Send) {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    (sender, async move { _ = receiver.await })
}

mod organizations;
mod shared;

mod order {
    //! Whatever the order, the repetition and the batches: the same recording.

    use proptest::prelude::*;

    use super::*;

    /// Everything that may happen, in small stream records of one or two connections.
    fn sessions() -> Vec<Vec<bytes::Bytes>> {
        let eventful = Script::new("c")
            .start("matched")
            .matched("", "no-agent", 0)
            .event(event(Ringing, "l1", "ada", 0))
            .event(started("l1", "ada", 300))
            .frames(100, 600)
            .event(started("l1", "ada", 200))
            .event(event(Held, "l1", "ada", 400))
            .gap(4_800, 6_400)
            .event(event(Retrieved, "l1", "ada", 500))
            .frames(800, 1_000)
            .paused(8_000, true)
            .resumed(8_000, 9_600)
            .frames(1_200, 1_500)
            .event(ended("l1", "ada", 900))
            .event(started("l2", "bo", 1_300))
            .event(ended("l2", "bo", 1_500))
            .end(12_000);
        let [call, sweep] = call_of_a_dead_door();
        let two_lives = Script::new("d").start("matched").frames(700, 900).audio(7_000, 900);
        vec![
            eventful.parts(2),
            [call.parts(2), sweep.parts(1)].concat(),
            [call.parts(3), two_lives.parts(1), sweep.parts(2)].concat(),
        ]
    }

    async fn files_of(batches: &[Vec<bytes::Bytes>]) -> BTreeMap<String, bytes::Bytes> {
        let mut bench = Bench::new();
        for (round, batch) in batches.iter().enumerate() {
            if round % 3 == 2 {
                bench.restart();
            }
            bench.take(batch.clone()).await;
        }
        bench.tidy(Duration::from_secs(120)).await;
        bench.recordings.files.lock().unwrap().clone()
    }

    /// Which session, its stream records in any order with some of them again, and cuts.
    fn deliveries() -> impl Strategy<Value = (usize, Vec<usize>, Vec<usize>)> {
        (0..sessions().len()).prop_flat_map(|which| {
            let count = sessions()[which].len();
            let twice: Vec<usize> = (0..count).chain(0..count).collect();
            let order = Just(twice).prop_shuffle();
            (Just(which), order, prop::collection::vec(1usize..6, 2 * count))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]
        #[test]
        fn does_not_matter((which, order, cuts) in deliveries()) {
            let parts = &sessions()[which];
            let mut rest: Vec<bytes::Bytes> = order.iter().map(|&one| parts[one].clone()).collect();
            let mut batches = Vec::new();
            for cut in cuts {
                let behind = rest.split_off(cut.min(rest.len()));
                batches.push(std::mem::replace(&mut rest, behind));
            }
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let (expected, got) = runtime.block_on(async {
                (files_of(std::slice::from_ref(parts)).await, files_of(&batches).await)
            });
            prop_assert_eq!(expected.len(), 2);
            for (name, content) in expected {
                let same = got.get(&name) == Some(&content);
                let text = got.get(&name).map(|text| String::from_utf8_lossy(text));
                prop_assert!(same || name.ends_with(".json"), "{name} differs");
                prop_assert!(same, "{text:?} instead of {}", String::from_utf8_lossy(&content));
            }
        }
    }
}
