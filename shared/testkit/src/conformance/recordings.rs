//! Parts of running sessions, and finished recordings.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use sidetone_model::ConnectionId;
use sidetone_ports::{Part, PartName, RecordedSession, RecordingStore, StoreError};

use super::done;
use crate::fresh::{fresh_organization, fresh_session, fresh_text};

/// Checks a [`RecordingStore`], with a directory for files on their way into it. Panics where
/// it falls short.
pub async fn recording_store<S: RecordingStore>(store: S, directory: &Path) {
    parts_are_kept_once_and_in_order(&store).await;
    sessions_are_apart(&store).await;
    many_parts_are_put_and_read_at_once(&store).await;
    a_recording_is_replaced_whole(&store, directory).await;
    names_that_lead_elsewhere_are_refused(&store, directory).await;
}

async fn parts_are_kept_once_and_in_order<S: RecordingStore>(store: &S) {
    let session = fresh_recorded_session();
    // As API Gateway writes connections, and as their text would sort otherwise than they do.
    let name = |first, last| part("L0SM9c/FoAMC+g=", first, last, false);
    let ends = part("L0SM9c/FoAMC+g=", 100, 100, true);
    let (other, last) = (part("L0SM9c", 1, 3, false), part("L0SM9d", 1, 3, false));
    let put = [
        (ends.clone(), "end"),
        (name(9, 9), "nine"),
        (name(4, 8), "four"),
        (last.clone(), ""),
        (other.clone(), "other"),
        (name(4, 6), "fewer"),
    ];
    for (name, data) in put.iter().chain(&put[1..3]) {
        done("putting a part", put_part(store, session, name.clone(), (*data).into()).await);
    }
    let names = done("listing parts", store.part_names(session).await);
    let expected = [other, name(4, 6), name(4, 8), name(9, 9), ends, last];
    assert_eq!(names, expected, "each part must be kept once, in order");
    for (name, data) in &put {
        let found = done("reading a part", part_of(store, session, name).await);
        assert_eq!(found, Some(Bytes::from(*data)), "a part must come back as it was");
    }
    let absent = done("reading no part", part_of(store, session, &name(5, 8)).await);
    assert_eq!(absent, None, "nobody put that part");
    let (removed, kept) = (expected[1..].to_vec(), &expected[..1]);
    done("removing parts", store.remove_parts(session, removed.clone()).await);
    done("removing parts twice", store.remove_parts(session, removed).await);
    done("removing nothing", store.remove_parts(session, Vec::new()).await);
    let names = done("listing parts", store.part_names(session).await);
    assert_eq!(names, kept, "what was removed is gone, and nothing else");
    done("removing parts", store.remove_parts(session, kept.to_vec()).await);
}

async fn many_parts_are_put_and_read_at_once<S: RecordingStore>(store: &S) {
    let sessions = [fresh_recorded_session(), fresh_recorded_session()];
    let names: Vec<PartName> =
        (1..=100).map(|number| part("c", number, number, number == 100)).collect();
    let parts = names.iter().flat_map(|name| {
        sessions.map(|session| Part { session, name: name.clone(), data: text(name) })
    });
    let put = store.put_parts(parts.collect()).await;
    assert!(put.len() == 200 && put.iter().all(Result::is_ok), "each part must be answered");
    let mut wanted: Vec<PartName> = names.iter().rev().cloned().collect();
    wanted.insert(7, part("c", 101, 101, false));
    for session in sessions {
        let found = done("reading parts", store.parts(session, wanted.clone()).await);
        let mut expected: Vec<_> = names.iter().rev().map(|name| Some(text(name))).collect();
        expected.insert(7, None);
        assert_eq!(found, expected, "parts must come in the order in which they are asked for");
        done("removing parts", store.remove_parts(session, names.clone()).await);
    }
}

fn text(name: &PartName) -> Bytes {
    name.to_string().into()
}

fn fresh_recorded_session() -> RecordedSession {
    RecordedSession { organization: fresh_organization(), session: fresh_session() }
}

async fn sessions_are_apart<S: RecordingStore>(store: &S) {
    let one = fresh_recorded_session();
    // The same session of another organization is another one.
    let two = RecordedSession { organization: fresh_organization(), ..one };
    let names = [part("c", 1, 1, false), part("c", 2, 2, true)];
    done("putting a part", put_part(store, one, names[0].clone(), "one".into()).await);
    done("putting a part", put_part(store, one, names[1].clone(), "more".into()).await);
    done("putting a part", put_part(store, two, names[0].clone(), "two".into()).await);
    let sessions = done("listing sessions", store.sessions_with_parts().await);
    for session in [one, two] {
        let listed = sessions.iter().filter(|listed| **listed == session).count();
        assert_eq!(listed, 1, "a session with parts must be listed once");
    }
    done("removing parts", store.remove_parts(one, names.to_vec()).await);
    let sessions = done("listing sessions", store.sessions_with_parts().await);
    assert!(!sessions.contains(&one), "a session without parts must not be listed");
    let kept = done("reading a part", part_of(store, two, &names[0]).await);
    assert_eq!(kept, Some(Bytes::from("two")), "another session's parts must stay");
    done("removing parts", store.remove_parts(two, names.to_vec()).await);
}

async fn put_part<S: RecordingStore>(
    store: &S,
    session: RecordedSession,
    name: PartName,
    data: Bytes,
) -> Result<(), StoreError> {
    let mut put = store.put_parts(vec![Part { session, name, data }]).await;
    assert_eq!(put.len(), 1, "each part must be answered by itself");
    put.remove(0)
}

async fn part_of<S: RecordingStore>(
    store: &S,
    session: RecordedSession,
    name: &PartName,
) -> Result<Option<Bytes>, StoreError> {
    Ok(store.parts(session, vec![name.clone()]).await?.remove(0))
}

fn part(connection: &str, first: u64, last: u64, ends: bool) -> PartName {
    PartName { connection: ConnectionId::new(connection), first, last, ends }
}

async fn a_recording_is_replaced_whole<S: RecordingStore>(store: &S, directory: &Path) {
    let (own, name) = (fresh_organization(), format!("{}.wav", fresh_text("recording")));
    let absent = done("reading no recording", store.recording(&name).await);
    assert_eq!(absent, None, "nobody put that recording");
    let (long, short) = (vec![b'l'; 100_000], b"short".to_vec());
    for content in [&long, &short] {
        let file = file(directory, content);
        let put = store.put_recordings(own, vec![(name.clone(), file.clone())]).await;
        let place = done("putting a recording", put);
        assert!(place.contains(&name), "where it lies must name it, got {place}");
        assert!(!file.exists(), "the file is moved, not copied");
        let found = done("reading a recording", store.recording(&name).await);
        assert!(
            found.as_deref() == Some(content.as_slice()),
            "a recording must come back whole, without the rest of an older one"
        );
    }
    let missing = store
        .put_recordings(own, vec![(name.clone(), directory.join(fresh_text("missing")))])
        .await;
    assert!(missing.is_err(), "a file that is not there cannot be put");
    let kept = done("reading a recording", store.recording(&name).await);
    assert!(kept.as_deref() == Some(b"short"), "a put that failed must change nothing");
}

async fn names_that_lead_elsewhere_are_refused<S: RecordingStore>(store: &S, directory: &Path) {
    for name in ["", ".", "..", "../x.wav", "a/b.wav", "/etc/x.wav", "a\\b.wav", "a\0b", ".hid"] {
        let file = file(directory, b"stray");
        let put =
            store.put_recordings(fresh_organization(), vec![(name.to_owned(), file.clone())]).await;
        assert!(put.is_err(), "the name {name:?} must be refused");
        assert!(store.recording(name).await.is_err(), "the name {name:?} must be refused");
        std::fs::remove_file(&file).expect("a refused file stays where it was");
    }
}

fn file(directory: &Path, content: &[u8]) -> PathBuf {
    let path = directory.join(fresh_text("finished"));
    std::fs::write(&path, content).expect("the directory for files can be written to");
    path
}
