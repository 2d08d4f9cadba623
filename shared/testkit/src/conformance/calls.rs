//! The calls table and the nonces: conditional writes, and reads that see them.

use std::time::Duration;

use sidetone_model::{ConversationKey, OwnerId, Timestamp};
use sidetone_ports::{CallStore, Freshness, Item, NonceStore, Revision, StoreError};

use super::{RACERS, done, present};
use crate::fresh::{fresh_conversation, fresh_key, fresh_organization, fresh_owner, fresh_text};

const HOUR: Duration = Duration::from_secs(3600);

/// Checks a [`CallStore`]. Panics where it falls short.
pub async fn call_store<S: CallStore>(store: S) {
    a_new_item_is_seen_at_once(&store).await;
    only_the_current_revision_may_be_replaced(&store).await;
    of_concurrent_writers_exactly_one_wins(&store).await;
    every_writer_gets_through_by_reading_again(&store).await;
    a_partition_is_read_whole_and_in_order(&store).await;
    organizations_do_not_see_each_other(&store).await;
    what_expired_is_gone(&store).await;
    an_expired_item_may_be_written_anew(&store).await;
    items_are_found_by_their_owner(&store).await;
}

/// Checks a [`NonceStore`]. Panics where it falls short.
pub async fn nonce_store<S: NonceStore>(store: S) {
    a_nonce_is_fresh_once(&store).await;
    of_racing_replays_one_is_fresh(&store).await;
    an_expired_nonce_is_fresh_again(&store).await;
}

fn item(name: &str, bytes: &[u8], revision: Revision) -> Item {
    Item { name: name.into(), bytes: bytes.to_vec(), revision }
}

async fn put<S: CallStore>(
    store: &S,
    key: ConversationKey,
    item: Item,
    owner: Option<&OwnerId>,
    expires_at: Timestamp,
) -> Revision {
    done("putting an item", store.put(key, item, owner.cloned(), expires_at).await)
}

#[track_caller]
fn conflict(result: Result<Revision, StoreError>, why: &str) {
    match result {
        Err(error) if error.is_conflict() => {}
        other => panic!("{why} must be a conflict, got {other:?}"),
    }
}

async fn a_new_item_is_seen_at_once<S: CallStore>(store: &S) {
    let (key, now) = (fresh_key(), present());
    assert!(
        done("querying nothing", store.query(key, now).await).is_empty(),
        "a partition nobody wrote to must be empty"
    );
    let revision = put(store, key, item("leg#1", b"one", 0), None, now + HOUR).await;
    assert!(revision > 0, "revisions count from 1, got {revision}");
    assert_eq!(
        done("querying", store.query(key, now).await),
        [item("leg#1", b"one", revision)],
        "a query after a put must see it, bytes and revision"
    );
}

async fn only_the_current_revision_may_be_replaced<S: CallStore>(store: &S) {
    let (key, now) = (fresh_key(), present());
    let absent = store.put(key, item("leg#1", b"stray", 3), None, now + HOUR).await;
    conflict(absent, "replacing revision 3 of an item that is not there");
    let first = put(store, key, item("leg#1", b"one", 0), None, now + HOUR).await;
    let again = store.put(key, item("leg#1", b"again", 0), None, now + HOUR).await;
    conflict(again, "creating what is already there");
    let second = put(store, key, item("leg#1", b"two", first), None, now + HOUR).await;
    assert!(second > first, "revisions must grow, got {second} after {first}");
    let stale = store.put(key, item("leg#1", b"late", first), None, now + HOUR).await;
    conflict(stale, "replacing a revision that is past");
    assert_eq!(
        done("querying", store.query(key, now).await),
        [item("leg#1", b"two", second)],
        "what lost must leave no trace"
    );
}

async fn of_concurrent_writers_exactly_one_wins<S: CallStore>(store: &S) {
    let (key, now) = (fresh_key(), present());
    let mut expected = 0;
    for round in 0..4 {
        let mut racers = Vec::new();
        for racer in 0..RACERS {
            let store = store.clone();
            let name = format!("{round}/{racer}");
            let mine = item("session#1", name.as_bytes(), expected);
            racers.push(tokio::spawn(async move {
                (name, store.put(key, mine, None, now + HOUR).await)
            }));
        }
        let mut winners = Vec::new();
        for racer in racers {
            let (name, result) = racer.await.expect("a racer does not panic");
            match result {
                Ok(revision) => winners.push((name, revision)),
                Err(error) if error.is_conflict() => {}
                Err(error) => panic!("a lost race must be a conflict, got {error:?}"),
            }
        }
        assert_eq!(winners.len(), 1, "of {RACERS} writers exactly one must win: {winners:?}");
        let (name, revision) = winners.remove(0);
        expected = revision;
        assert_eq!(
            done("querying", store.query(key, now).await),
            [item("session#1", name.as_bytes(), revision)],
            "the winner's bytes must stand there"
        );
    }
}

async fn every_writer_gets_through_by_reading_again<S: CallStore>(store: &S) {
    let (key, now) = (fresh_key(), present());
    let mut writers = Vec::new();
    for _ in 0..RACERS {
        let store = store.clone();
        writers.push(tokio::spawn(async move {
            loop {
                let found = done("querying", store.query(key, now).await);
                let (count, revision) =
                    found.first().map_or((0, 0), |item| (item.bytes.len(), item.revision));
                let next = item("leg#count", &vec![b'x'; count + 1], revision);
                match store.put(key, next, None, now + HOUR).await {
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
    let found = done("querying", store.query(key, now).await);
    assert_eq!(found[0].bytes.len(), RACERS, "no write of {RACERS} writers may be lost");
}

async fn a_partition_is_read_whole_and_in_order<S: CallStore>(store: &S) {
    let (key, now) = (fresh_key(), present());
    for number in [7, 2, 9, 1] {
        put(store, key, item(&format!("leg#{number}"), b"x", 0), None, now + HOUR).await;
    }
    put(store, key, item("session#0", &[0, 255, 10], 0), None, now + HOUR).await;
    let found = done("querying", store.query(key, now).await);
    let names: Vec<_> = found.iter().map(|item| item.name.as_str()).collect();
    assert_eq!(
        names,
        ["leg#1", "leg#2", "leg#7", "leg#9", "session#0"],
        "a partition must be read whole, in order of name"
    );
    assert_eq!(found[4].bytes, [0, 255, 10], "bytes must come back as they were");
}

async fn organizations_do_not_see_each_other<S: CallStore>(store: &S) {
    let (ours, now) = (fresh_key(), present());
    let theirs = ConversationKey { organization: fresh_organization(), ..ours };
    let other = ConversationKey { conversation: fresh_conversation(), ..ours };
    put(store, ours, item("leg#1", b"ours", 0), None, now + HOUR).await;
    for key in [theirs, other] {
        assert!(
            done("querying", store.query(key, now).await).is_empty(),
            "nothing of {ours} may be seen from {key}"
        );
        put(store, key, item("leg#1", b"theirs", 0), None, now + HOUR).await;
    }
    assert_eq!(
        done("querying", store.query(ours, now).await)[0].bytes,
        b"ours",
        "the same name elsewhere must not replace ours"
    );
}

async fn what_expired_is_gone<S: CallStore>(store: &S) {
    let (key, now, owner) = (fresh_key(), present(), fresh_owner());
    put(store, key, item("leg#short", b"x", 0), Some(&owner), now + HOUR).await;
    put(store, key, item("leg#long", b"x", 0), Some(&owner), now + HOUR * 3).await;
    let names = |items: Vec<Item>| items.into_iter().map(|item| item.name).collect::<Vec<_>>();
    assert_eq!(
        names(done("querying", store.query(key, now).await)),
        ["leg#long", "leg#short"],
        "both live at first"
    );
    let later = now + HOUR * 2;
    let owned = done("reading what is owned", store.owned_by(&owner, later).await);
    assert_eq!(
        names(owned.into_iter().map(|owned| owned.item).collect()),
        ["leg#long"],
        "what expired must not be found by its owner"
    );
    assert_eq!(
        names(done("querying", store.query(key, later).await)),
        ["leg#long"],
        "what expired must not be read"
    );
}

async fn an_expired_item_may_be_written_anew<S: CallStore>(store: &S) {
    let (key, now) = (fresh_key(), present());
    let old = put(store, key, item("leg#1", b"old", 0), None, now - HOUR).await;
    assert!(
        done("querying", store.query(key, now).await).is_empty(),
        "an item may expire in the past"
    );
    let new = put(store, key, item("leg#1", b"new", 0), None, now + HOUR).await;
    let found = done("querying", store.query(key, now).await);
    assert_eq!(found, [item("leg#1", b"new", new)], "the new item must be read");
    if new != old {
        let stale = store.put(key, item("leg#1", b"late", old), None, now + HOUR).await;
        conflict(stale, "replacing the expired item's revision");
    }
}

async fn items_are_found_by_their_owner<S: CallStore>(store: &S) {
    let (one, two, now) = (fresh_key(), fresh_key(), present());
    let (owner, heir) = (fresh_owner(), fresh_owner());
    let first = put(store, one, item("session#1", b"1", 0), Some(&owner), now + HOUR).await;
    let second = put(store, two, item("session#2", b"2", 0), Some(&owner), now + HOUR).await;
    put(store, one, item("leg#1", b"x", 0), None, now + HOUR).await;
    let mut owned = done("reading what is owned", store.owned_by(&owner, now).await);
    owned.sort_by(|a, b| a.item.name.cmp(&b.item.name));
    let places: Vec<_> = owned.iter().map(|owned| (owned.key, &owned.item)).collect();
    assert_eq!(
        places,
        [(one, &item("session#1", b"1", first)), (two, &item("session#2", b"2", second))],
        "an owner's items must be found with their partition, and no others"
    );
    put(store, one, item("session#1", b"1", first), Some(&heir), now + HOUR).await;
    put(store, two, item("session#2", b"2", second), None, now + HOUR).await;
    assert!(
        done("reading what is owned", store.owned_by(&owner, now).await).is_empty(),
        "what was given away or disowned must not be found by its former owner"
    );
    let inherited = done("reading what is owned", store.owned_by(&heir, now).await);
    assert_eq!(inherited.len(), 1, "the new owner must find what it was given");
    assert_eq!(inherited[0].key, one, "the new owner must find what it was given");
}

async fn a_nonce_is_fresh_once<S: NonceStore>(store: &S) {
    let (now, key_id, nonce) = (present(), fresh_text("key"), fresh_text("nonce"));
    let seen = async |key_id: &str, nonce: &str, now| {
        done("remembering a nonce", store.remember(key_id, nonce, now + HOUR, now).await)
    };
    assert_eq!(seen(&key_id, &nonce, now).await, Freshness::Fresh, "the first time is fresh");
    assert_eq!(seen(&key_id, &nonce, now).await, Freshness::Seen, "the second is a replay");
    assert_eq!(
        seen(&fresh_text("key"), &nonce, now).await,
        Freshness::Fresh,
        "the nonces of two keys have nothing to do with each other"
    );
    assert_eq!(
        seen(&key_id, &fresh_text("nonce"), now).await,
        Freshness::Fresh,
        "another nonce is fresh"
    );
}

async fn of_racing_replays_one_is_fresh<S: NonceStore>(store: &S) {
    let (now, key_id, nonce) = (present(), fresh_text("key"), fresh_text("nonce"));
    let mut racers = Vec::new();
    for _ in 0..RACERS {
        let (store, key_id, nonce) = (store.clone(), key_id.clone(), nonce.clone());
        racers.push(tokio::spawn(async move {
            done("remembering a nonce", store.remember(&key_id, &nonce, now + HOUR, now).await)
        }));
    }
    let mut fresh = 0;
    for racer in racers {
        let freshness = racer.await.expect("a racer does not panic");
        fresh += usize::from(freshness == Freshness::Fresh);
    }
    assert_eq!(fresh, 1, "of {RACERS} that come at once exactly one must be fresh");
}

async fn an_expired_nonce_is_fresh_again<S: NonceStore>(store: &S) {
    let (now, key_id, nonce) = (present(), fresh_text("key"), fresh_text("nonce"));
    let expired = store.remember(&key_id, &nonce, now - HOUR, now - HOUR * 2).await;
    assert_eq!(done("remembering a nonce", expired), Freshness::Fresh, "the first time is fresh");
    let again = store.remember(&key_id, &nonce, now + HOUR, now).await;
    assert_eq!(
        done("remembering a nonce", again),
        Freshness::Fresh,
        "after its lifetime a nonce is fresh again"
    );
    let replay = store.remember(&key_id, &nonce, now + HOUR, now).await;
    assert_eq!(done("remembering a nonce", replay), Freshness::Seen, "and remembered anew");
}
