//! Several recorders on one store, as many invocations of a Lambda are, and what becomes of
//! single stream records.

use futures_util::FutureExt as _;
use sidetone_ports::{Claim, Fence, LeaseStore as _, RecordingStore as _, Renewal};
use sidetone_ports_embedded::{Recordings, Store};

use super::*;
use crate::assembly::{StoredParts, write_wav};
use crate::index::Index;

/// How long the other recorder's turn may stand still.
const LIFE: Duration = Duration::from_secs(30);

fn numbered(parts: impl IntoIterator<Item = Bytes>) -> Vec<(Sequence, Bytes)> {
    (0..).zip(parts).collect()
}

/// Everything that ends, in small stream records, and in the order in which it was made.
fn sessions() -> Vec<Bytes> {
    let twin = Script::of(2, "d").start("always").frames(0, 2_000).end(16_000);
    let dead = Script::of(3, "e").start("always").frames(0, 400);
    let swept = Script::of(3, "sweep-e").open_gap("e").lost();
    let scripts = [whole_call(), twin, dead, swept];
    scripts.iter().flat_map(|script| script.parts(1)).collect()
}

fn files_in(folder: &std::path::Path) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect()
}

/// A different order for each seed.
fn shuffled(mut parts: Vec<Bytes>, seed: u64) -> Vec<Bytes> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for index in (1..parts.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        parts.swap(index, (state >> 33) as usize % (index + 1));
    }
    parts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_finishes_the_recording_is_the_same() {
    let single = tempfile::tempdir().unwrap();
    let place = single.path().join("files");
    let alone = Recordings::open(&place.with_file_name("parts"), &place).unwrap();
    let mut recorder = Recorder::new(alone, single.path().join("scratch"));
    assert!(recorder.take(&numbered(sessions())).await.failed.is_none());
    let expected = files_in(&place);
    assert_eq!(expected.len(), 6);

    for seed in 0..24 {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("files");
        let recordings = Recordings::open(&place.with_file_name("parts"), &place).unwrap();
        let leases = Store::in_memory().unwrap();
        let recorder = |holder: u64| {
            let scratch = folder.path().join(format!("scratch-{holder}"));
            let name = format!("recorder-{holder}");
            Recorder::sharing(recordings.clone(), scratch, leases.clone(), &name)
        };
        let mut running = JoinSet::new();
        for worker in 0..4 {
            // Each sees most of it, in its own order; together they see all of it.
            let mut parts = shuffled(sessions(), 10 * seed + worker);
            parts.retain(|part| worker == 0 || part.len() % 5 != worker as usize);
            let mut recorder = recorder(worker);
            running.spawn(async move {
                for batch in parts.chunks(3 + worker as usize) {
                    assert!(recorder.take(&numbered(batch.to_vec())).await.failed.is_none());
                    if worker == 3 {
                        recorder.tidy(opened_at() + Duration::from_secs(60)).await.unwrap();
                    }
                }
            });
        }
        while let Some(ended) = running.join_next().await {
            ended.unwrap();
        }
        recorder(9).tidy(opened_at() + Duration::from_secs(120)).await.unwrap();
        let got = files_in(&place);
        assert_eq!(got.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        for (name, content) in &expected {
            assert!(got[name] == *content, "{name} differs under seed {seed}");
        }
        recorder(9).tidy(opened_at() + Duration::from_secs(9_000)).await.unwrap();
        assert!(recordings.sessions_with_parts().await.unwrap().is_empty(), "seed {seed}");
    }
}

/// A recorder that shares leases, of which another holds that of the call, and its fence.
async fn beside_another(
    bench: &Bench,
    leases: &Store,
) -> (Recorder<MemoryRecordings, Store>, Fence) {
    let claim = leases.acquire(&lease(), "another", LIFE, None).await.unwrap();
    let Claim::Granted(fence) = claim else { panic!("it is free") };
    let scratch = bench.folder.path().join("scratch");
    let mut recorder = Recorder::sharing(bench.recordings.clone(), scratch, leases.clone(), "me");
    let taken = recorder.take(&numbered(whole_call().parts(4))).await;
    assert!(taken.failed.is_none());
    (recorder, fence)
}

fn lease() -> String {
    format!("recording#{}", stored_session(conversation_key(), session_id(1)))
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_another_has_is_left_to_whoever_tidies_up() {
    let (bench, leases) = (Bench::new(), Store::in_memory().unwrap());
    let (mut recorder, fence) = beside_another(&bench, &leases).await;
    let renewing = tokio::spawn({
        let leases = leases.clone();
        async move {
            loop {
                tokio::time::sleep(Duration::from_secs(8)).await;
                leases.renew(&lease(), "another", fence, LIFE, false).await.unwrap();
            }
        }
    });
    recorder.tidy(opened_at()).await.unwrap();
    assert_eq!((bench.file(1, "json"), bench.recordings.part_count()), (None, 1));
    renewing.abort();
    leases.release(&lease(), "another", fence).await.unwrap();
    recorder.tidy(opened_at()).await.unwrap();
    assert_eq!(bench.wav(1).unwrap(), sound(200, 1_000));
    assert_eq!(bench.recordings.part_count(), 0);
    // And it gave its own turn back.
    let claim = leases.acquire(&lease(), "another", LIFE, None).await.unwrap();
    assert!(matches!(claim, Claim::Granted(_)), "{claim:?}");
}

#[tokio::test(start_paused = true)]
async fn a_turn_whose_holder_died_is_taken_by_whoever_tidies_up() {
    let (bench, leases) = (Bench::new(), Store::in_memory().unwrap());
    let (mut recorder, fence) = beside_another(&bench, &leases).await;
    assert_eq!(bench.file(1, "json"), None);
    recorder.tidy(opened_at()).await.unwrap();
    assert_eq!(bench.wav(1).unwrap(), sound(200, 1_000));
    let renewal = leases.renew(&lease(), "another", fence, LIFE, false).await.unwrap();
    assert_eq!(renewal, Renewal::Lost);
}

#[tokio::test]
async fn what_cannot_be_used_is_named_and_stops_nothing() {
    let mut bench = Bench::new();
    let mut parts = whole_call().parts(4);
    parts.insert(2, Bytes::from_static(b"\xff\xff"));
    parts.push(Script::new(&"c".repeat(300)).start("always").data());
    let taken = bench.recorder.take(&numbered(parts)).await;
    let unusable: Vec<_> = taken.unusable.iter().map(|(sequence, _)| *sequence).collect();
    assert_eq!((unusable, taken.failed.is_none()), (vec![2, 6], true));
    assert!(matches!(taken.unusable[1].1, RecordError::Connection { bytes: 300, .. }));
    assert_eq!(bench.wav(1).unwrap(), sound(200, 1_000));
}

#[tokio::test]
async fn a_batch_fails_from_the_first_record_that_is_not_kept() {
    let mut bench = Bench::new();
    let twin = Script::of(2, "d").start("always").frames(0, 300).end(2_400);
    let parts = [vec![twin.data()], whole_call().parts(9)].concat();
    // Parts are put in the order of their sessions.
    let batch = numbered([parts[1].clone(), parts[0].clone(), parts[2].clone()]);
    bench.recordings.fail_putting(1);
    let taken = bench.recorder.take(&batch).await;
    assert!(matches!(taken.failed, Some((0, ConsumerError::Store(_)))));
    assert_eq!((bench.wav(1), bench.wav(2).unwrap()), (None, sound(0, 300)));
    let taken = bench.recorder.take(&batch).await;
    assert!(taken.failed.is_none());
    assert_eq!(bench.wav(1).unwrap(), sound(200, 1_000));
}

/// A runtime with one thread for files.
fn with_one_disk<F: Future>(what: F) -> F::Output {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.max_blocking_threads(1).enable_all().build().unwrap().block_on(what)
}

/// Keeps that thread busy until it is dropped.
fn busy_disk() -> std::sync::mpsc::Sender<()> {
    let (busy, until) = std::sync::mpsc::channel::<()>();
    tokio::task::spawn_blocking(move || until.recv());
    busy
}

#[test]
fn what_there_was_no_time_for_has_failed_and_is_done_later() {
    let mut bench = Bench::new();
    with_one_disk(async {
        let busy = busy_disk();
        bench.recorder.finish_by(Instant::now());
        let batch = numbered(whole_call().parts(4));
        let taken = bench.recorder.take(&batch).await;
        assert!(matches!(taken.failed, Some((_, ConsumerError::TimedOut { .. }))));
        assert_eq!(bench.file(1, "json"), None);
        drop(busy);
        bench.recorder.finish_by(Instant::now() + Duration::from_secs(60));
        assert!(bench.recorder.take(&batch).await.failed.is_none());
        assert_eq!(bench.wav(1).unwrap(), sound(200, 1_000));
    });
}

#[test]
fn a_file_whose_writing_was_given_up_leaves_nothing_behind() {
    let bench = Bench::new();
    let names = [];
    let stored = stored_session(conversation_key(), session_id(1));
    let parts = StoredParts { recordings: &bench.recordings, session: stored, names: &names };
    let key = SessionKey { key: conversation_key(), session: Some(session_id(1)) };
    let plan = Index::new(key).plan();
    with_one_disk(async {
        let file = bench.recorder.finisher.scratch_file("a.wav", session_id(1)).await.unwrap();
        let busy = busy_disk();
        let written = write_wav(&plan, session_id(1), &parts, file.clone()).now_or_never();
        assert!(written.is_none());
        drop((file, busy));
        // Its turn is after that of the file.
        tokio::task::spawn_blocking(|| ()).await.unwrap();
    });
    let left = std::fs::read_dir(bench.folder.path().join("scratch")).unwrap().count();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_session_of_which_nothing_comes_for_a_day_is_recorded_without_its_end() {
    let mut bench = Bench::new();
    let script = Script::new("c").start("always").frames(0, 500);
    bench.take(script.parts(2)).await;
    bench.restart();
    bench.tidy(Duration::from_secs(23 * 3_600)).await;
    assert_eq!(bench.file(1, "json"), None);
    bench.tidy(Duration::from_secs(25 * 3_600)).await;
    assert_eq!(bench.wav(1).unwrap(), sound(0, 500));
    let sidecar = bench.sidecar(1);
    assert_eq!((sidecar.end, sidecar.complete), (None, false));
    bench.tidy(Duration::from_secs(25 * 3_600)).await;
    assert_eq!(bench.recordings.part_count(), 0);
}

#[tokio::test]
async fn what_is_left_of_a_finish_that_never_was_is_found_by_name() {
    let mut bench = Bench::new();
    // The parts were kept, and then the process was gone.
    for part in whole_call().parts(9) {
        let records = crate::record::decode_part(0, Timestamp::default(), part.clone()).unwrap();
        let numbers = records.iter().map(|record| record.number);
        let name = PartName {
            connection: ConnectionId::new("c"),
            first: numbers.clone().min().unwrap(),
            last: numbers.max().unwrap(),
            ends: has_end(&records),
        };
        let session = stored_session(conversation_key(), session_id(1));
        let part = Part { session, name, data: part };
        bench.recordings.put_parts(vec![part]).await.remove(0).unwrap();
    }
    bench.tidy(Duration::from_secs(60)).await;
    assert_eq!(bench.wav(1).unwrap(), sound(200, 1_000));
    assert_eq!(bench.recordings.part_count(), 0);
}
