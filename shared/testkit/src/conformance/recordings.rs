//! Parts of running sessions, and finished recordings.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use sidetone_ports::RecordingStore;

use super::done;
use crate::fresh::{fresh_session, fresh_text};

/// Checks a [`RecordingStore`], with a directory for files on their way into it. Panics where
/// it falls short.
pub async fn recording_store<S: RecordingStore>(store: S, directory: &Path) {
    parts_are_kept_once_and_in_order(&store).await;
    sessions_are_apart(&store).await;
    a_recording_is_replaced_whole(&store, directory).await;
    names_that_lead_elsewhere_are_refused(&store, directory).await;
}

async fn parts_are_kept_once_and_in_order<S: RecordingStore>(store: &S) {
    let session = fresh_session();
    for (sequence, data) in [(9, "nine"), (4, "four"), (11, ""), (9, "nine"), (4, "four")] {
        done("putting a part", store.put_part(session, sequence, data.into()).await);
    }
    let sequences = done("listing parts", store.part_sequences(session).await);
    assert_eq!(sequences, [4, 9, 11], "each part must be kept once, in order of its place");
    for (sequence, data) in [(4, "four"), (9, "nine"), (11, "")] {
        let part = done("reading a part", store.part(session, sequence).await);
        assert_eq!(part, Some(Bytes::from(data)), "a part must come back as it was");
    }
    assert_eq!(done("reading no part", store.part(session, 5).await), None, "nobody put part 5");
    done("removing parts", store.remove_parts(session).await);
    done("removing parts twice", store.remove_parts(session).await);
    assert!(
        done("listing parts", store.part_sequences(session).await).is_empty(),
        "what was removed is gone"
    );
}

async fn sessions_are_apart<S: RecordingStore>(store: &S) {
    let (one, two) = (fresh_session(), fresh_session());
    done("putting a part", store.put_part(one, 1, "one".into()).await);
    done("putting a part", store.put_part(one, 2, "more".into()).await);
    done("putting a part", store.put_part(two, 1, "two".into()).await);
    let sessions = done("listing sessions", store.sessions_with_parts().await);
    for session in [one, two] {
        let listed = sessions.iter().filter(|listed| **listed == session).count();
        assert_eq!(listed, 1, "a session with parts must be listed once");
    }
    done("removing parts", store.remove_parts(one).await);
    let sessions = done("listing sessions", store.sessions_with_parts().await);
    assert!(!sessions.contains(&one), "a session without parts must not be listed");
    let kept = done("reading a part", store.part(two, 1).await);
    assert_eq!(kept, Some(Bytes::from("two")), "another session's parts must stay");
    done("removing parts", store.remove_parts(two).await);
}

async fn a_recording_is_replaced_whole<S: RecordingStore>(store: &S, directory: &Path) {
    let name = format!("{}.wav", fresh_text("recording"));
    let absent = done("reading no recording", store.recording(&name).await);
    assert_eq!(absent, None, "nobody put that recording");
    let (long, short) = (vec![b'l'; 100_000], b"short".to_vec());
    for content in [&long, &short] {
        let file = file(directory, content);
        let place = done("putting a recording", store.put_recording(&name, file.clone()).await);
        assert!(place.contains(&name), "where it lies must name it, got {place}");
        assert!(!file.exists(), "the file is moved, not copied");
        let found = done("reading a recording", store.recording(&name).await);
        assert!(
            found.as_deref() == Some(content.as_slice()),
            "a recording must come back whole, without the rest of an older one"
        );
    }
    let missing = store.put_recording(&name, directory.join(fresh_text("missing"))).await;
    assert!(missing.is_err(), "a file that is not there cannot be put");
    let kept = done("reading a recording", store.recording(&name).await);
    assert!(kept.as_deref() == Some(b"short"), "a put that failed must change nothing");
}

async fn names_that_lead_elsewhere_are_refused<S: RecordingStore>(store: &S, directory: &Path) {
    for name in ["", ".", "..", "../x.wav", "a/b.wav", "/etc/x.wav", "a\\b.wav", "a\0b", ".hid"] {
        let file = file(directory, b"stray");
        let put = store.put_recording(name, file.clone()).await;
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
