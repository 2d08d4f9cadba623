//! States of connections: one writer at a time, found when due, refused when too large.

use std::time::Duration;

use sidetone_model::{ConnectionId, Timestamp};
use sidetone_ports::{ConnectionItem, ConnectionStore, Revision, StoreError};

use super::{RACERS, done, present};
use crate::fresh::fresh_connection;

const HOUR: Duration = Duration::from_secs(3600);
/// How long a state lives: longer than any suite looks ahead on the same store.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// How often a list of what is due is read until it is no longer late.
const LOOKS_MAX: usize = 40;
/// The pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// More than others have due in a store that is in use.
const DUE_MAX: usize = 10_000;

/// Checks a [`ConnectionStore`]. Panics where it falls short.
pub async fn connections<S: ConnectionStore>(store: S) {
    a_new_state_is_seen_at_once(&store).await;
    only_the_current_revision_may_be_replaced(&store).await;
    of_concurrent_writers_exactly_one_wins(&store).await;
    every_writer_gets_through_by_reading_again(&store).await;
    what_expired_is_gone_and_may_be_written_anew(&store).await;
    what_is_removed_is_gone(&store).await;
    the_longest_overdue_come_first(&store).await;
    what_is_put_off_or_not_due_is_not_told(&store).await;
    the_largest_state_is_taken_and_a_larger_one_refused(&store).await;
}

fn state(bytes: &[u8], revision: Revision) -> ConnectionItem {
    ConnectionItem { bytes: bytes.to_vec(), revision }
}

async fn put<S: ConnectionStore>(
    store: &S,
    connection: &ConnectionId,
    item: ConnectionItem,
    due: Option<Timestamp>,
) -> Revision {
    let until = present() + DAY;
    done("putting a state", store.put_connection(connection, item, due, until).await)
}

async fn read<S: ConnectionStore>(store: &S, connection: &ConnectionId) -> Option<ConnectionItem> {
    done("reading a state", store.connection(connection, present()).await)
}

#[track_caller]
fn conflict(result: Result<Revision, StoreError>, why: &str) {
    match result {
        Err(error) if error.is_conflict() => {}
        other => panic!("{why} must be a conflict, got {other:?}"),
    }
}

async fn a_new_state_is_seen_at_once<S: ConnectionStore>(store: &S) {
    let (one, two) = (fresh_connection(), fresh_connection());
    assert_eq!(read(store, &one).await, None, "nobody wrote yet");
    let bytes: Vec<u8> = (0..=255).collect();
    let first = put(store, &one, state(&bytes, 0), None).await;
    assert!(first > 0, "revisions count from 1, got {first}");
    assert_eq!(read(store, &one).await, Some(state(&bytes, first)), "a read must see the put");
    assert_eq!(read(store, &two).await, None, "and nothing of it elsewhere");
    let empty = put(store, &two, state(&[], 0), None).await;
    assert_eq!(read(store, &two).await, Some(state(&[], empty)), "a state may be empty");
}

async fn only_the_current_revision_may_be_replaced<S: ConnectionStore>(store: &S) {
    let (connection, until) = (fresh_connection(), present() + HOUR);
    let absent = store.put_connection(&connection, state(b"stray", 3), None, until).await;
    conflict(absent, "replacing revision 3 of a state that is not there");
    let first = put(store, &connection, state(b"one", 0), None).await;
    let again = store.put_connection(&connection, state(b"again", 0), None, until).await;
    conflict(again, "creating what is already there");
    let second = put(store, &connection, state(b"two", first), None).await;
    assert!(second > first, "revisions must grow, got {second} after {first}");
    let stale = store.put_connection(&connection, state(b"late", first), None, until).await;
    conflict(stale, "replacing a revision that is past");
    assert_eq!(
        read(store, &connection).await,
        Some(state(b"two", second)),
        "what lost must leave no trace"
    );
}

async fn of_concurrent_writers_exactly_one_wins<S: ConnectionStore>(store: &S) {
    let connection = fresh_connection();
    let mut expected = 0;
    for round in 0..4 {
        let mut racers = Vec::new();
        for racer in 0..RACERS {
            let (store, connection) = (store.clone(), connection.clone());
            let bytes = format!("{round}/{racer}").into_bytes();
            let mine = state(&bytes, expected);
            racers.push(tokio::spawn(async move {
                let until = present() + DAY;
                (bytes, store.put_connection(&connection, mine, None, until).await)
            }));
        }
        let mut winners = Vec::new();
        for racer in racers {
            let (bytes, result) = racer.await.expect("a racer does not panic");
            match result {
                Ok(revision) => winners.push((bytes, revision)),
                Err(error) if error.is_conflict() => {}
                Err(error) => panic!("a lost race must be a conflict, got {error:?}"),
            }
        }
        assert_eq!(winners.len(), 1, "of {RACERS} writers exactly one must win: {winners:?}");
        let (bytes, revision) = winners.remove(0);
        expected = revision;
        let found = read(store, &connection).await;
        assert_eq!(found, Some(state(&bytes, revision)), "the winner's bytes must stand there");
    }
}

async fn every_writer_gets_through_by_reading_again<S: ConnectionStore>(store: &S) {
    let connection = fresh_connection();
    let mut writers = Vec::new();
    for _ in 0..RACERS {
        let (store, connection) = (store.clone(), connection.clone());
        writers.push(tokio::spawn(async move {
            loop {
                let found = read(&store, &connection).await;
                let (count, revision) =
                    found.map_or((0, 0), |item| (item.bytes.len(), item.revision));
                let next = state(&vec![b'x'; count + 1], revision);
                let until = present() + DAY;
                match store.put_connection(&connection, next, None, until).await {
                    Ok(_) => break,
                    Err(error) if error.is_conflict() => {}
                    Err(error) => panic!("a lost race must be a conflict, got {error:?}"),
                }
            }
        }));
    }
    for writer in writers {
        writer.await.expect("a writer does not panic");
    }
    let count = read(store, &connection).await.map_or(0, |item| item.bytes.len());
    assert_eq!(count, RACERS, "no write of {RACERS} writers may be lost");
}

async fn what_expired_is_gone_and_may_be_written_anew<S: ConnectionStore>(store: &S) {
    let (connection, now) = (fresh_connection(), present());
    let old = store.put_connection(&connection, state(b"old", 0), Some(now - HOUR), now).await;
    let old = done("putting a state that expires", old);
    let later = now + Duration::from_millis(1);
    let found = done("reading", store.connection(&connection, later).await);
    assert_eq!(found, None, "what expired must not be read");
    settles(store, &connection, false, "what expired must not be told as due").await;
    let new = put(store, &connection, state(b"new", 0), None).await;
    assert_eq!(read(store, &connection).await, Some(state(b"new", new)), "the new one is read");
    if new != old {
        let stale = store.put_connection(&connection, state(b"late", old), None, now + DAY).await;
        conflict(stale, "replacing the expired state's revision");
    }
}

async fn what_is_removed_is_gone<S: ConnectionStore>(store: &S) {
    let (connection, now) = (fresh_connection(), present());
    let revision = put(store, &connection, state(b"x", 0), Some(now - HOUR)).await;
    done("removing", store.remove_connection(&connection).await);
    done("removing twice", store.remove_connection(&connection).await);
    assert_eq!(read(store, &connection).await, None, "what was removed must not be read");
    let late = store.put_connection(&connection, state(b"y", revision), None, now + DAY).await;
    conflict(late, "writing to what was removed");
    settles(store, &connection, false, "what was removed must not be told as due").await;
}

async fn the_longest_overdue_come_first<S: ConnectionStore>(store: &S) {
    let now = present();
    let mut expected = Vec::new();
    for minutes in [3, 1, 2] {
        let (connection, due) = (fresh_connection(), now - Duration::from_secs(60 * minutes));
        put(store, &connection, state(b"x", 0), Some(due)).await;
        expected.push((due, connection));
    }
    expected.sort();
    let expected: Vec<_> = expected.into_iter().map(|(_, connection)| connection).collect();
    for connection in &expected {
        settles(store, connection, true, "what is overdue must be told").await;
    }
    let mut told = due(store, DUE_MAX).await;
    told.retain(|connection| expected.contains(connection));
    assert_eq!(told, expected, "the longest overdue must come first, and each once");
    assert!(due(store, 2).await.len() <= 2, "no more than was asked for may be told");
    for connection in &expected {
        done("removing", store.remove_connection(connection).await);
    }
}

async fn what_is_put_off_or_not_due_is_not_told<S: ConnectionStore>(store: &S) {
    let (never, later, moved, now) =
        (fresh_connection(), fresh_connection(), fresh_connection(), present());
    put(store, &never, state(b"x", 0), None).await;
    put(store, &later, state(b"x", 0), Some(now + HOUR / 2)).await;
    let revision = put(store, &moved, state(b"x", 0), Some(now)).await;
    settles(store, &moved, true, "what is due at this moment must be told").await;
    let revision = put(store, &moved, state(b"x", revision), Some(now + HOUR / 2)).await;
    settles(store, &moved, false, "what was put off must not be told").await;
    let revision = put(store, &moved, state(b"x", revision), Some(now)).await;
    settles(store, &moved, true, "and is told once it is due again").await;
    put(store, &moved, state(b"x", revision), None).await;
    settles(store, &moved, false, "what is no longer due at all must not be told").await;
    let told = due(store, DUE_MAX).await;
    for connection in [&never, &later] {
        assert!(!told.contains(connection), "what is not due must not be told");
    }
    for connection in [&never, &later, &moved] {
        done("removing", store.remove_connection(connection).await);
    }
}

async fn the_largest_state_is_taken_and_a_larger_one_refused<S: ConnectionStore>(store: &S) {
    let (connection, now) = (fresh_connection(), present());
    let most = vec![0x5a; ConnectionItem::BYTES_MAX];
    let revision = put(store, &connection, state(&most, 0), Some(now + HOUR / 2)).await;
    let found = read(store, &connection).await.expect("it was put");
    assert!(found.bytes == most, "the largest state must come back as it was");
    let more = vec![0; ConnectionItem::BYTES_MAX + 1];
    match store.put_connection(&connection, state(&more, revision), None, now + DAY).await {
        Err(StoreError::Unavailable { .. }) => {}
        other => panic!("a state over the limit must be refused as unavailable, got {other:?}"),
    }
    let after = read(store, &connection).await.map(|item| item.revision);
    assert_eq!(after, Some(revision), "what was refused must leave no trace");
    done("removing", store.remove_connection(&connection).await);
}

async fn due<S: ConnectionStore>(store: &S, limit: usize) -> Vec<ConnectionId> {
    done("reading what is due", store.due_connections(present(), limit).await)
}

/// Looks until a connection is told as due or is not, as expected: the list may be late.
async fn settles<S: ConnectionStore>(
    store: &S,
    connection: &ConnectionId,
    expected: bool,
    why: &str,
) {
    for _ in 0..LOOKS_MAX {
        if due(store, DUE_MAX).await.contains(connection) == expected {
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    panic!("{why}");
}
