//! The store's twins against the suite, and what only this twin promises.

use std::path::PathBuf;

use sidetone_model::{Listen, OnHold, Organization, PlatformPlace};
use sidetone_ports::{
    CallStore, Clock, ConnectionItem, ConnectionStore, Freshness, Item, Mailbox, NonceStore,
    OrganizationStore, OwnerBeat, OwnerStore, SettingsQuery,
};
use sidetone_testkit::{conformance, fresh_connection, fresh_key, fresh_organization, fresh_owner};
use tempfile::TempDir;
use tokio::time::Instant;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn on_a_file() -> (TempDir, PathBuf, Store) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let store = Store::open(&path).unwrap();
    (directory, path, store)
}

async fn conforms(store: Store) {
    conformance::call_store(store.clone()).await;
    conformance::owner_store(store.clone()).await;
    conformance::mailbox(store.clone()).await;
    conformance::nonce_store(store.clone()).await;
    conformance::user_store(store.clone()).await;
    conformance::leases(store.clone()).await;
    conformance::organization_store(store.clone()).await;
    conformance::connections(store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms_on_a_file() {
    let (_directory, _, store) = on_a_file();
    conforms(store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms_in_memory() {
    conforms(Store::in_memory().unwrap()).await;
}

#[tokio::test(start_paused = true)]
async fn conforms_in_memory_while_the_clock_stands() {
    conforms(Store::in_memory().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_database_is_complete_without_its_log() {
    let (directory, path, store) = on_a_file();
    let (key, now) = (fresh_key(), Clock::system().now());
    let item = Item { name: "leg#1".into(), bytes: vec![7], revision: 0 };
    store.put(key, item, None, now + HOUR).await.unwrap();
    // As another process: SQLite keeps the log for it, and empties it only when asked to.
    let reader = rusqlite::Connection::open(&path).unwrap();
    reader.query_row("SELECT count(*) FROM items", [], |_| Ok(())).unwrap();
    drop(store);
    let copy = directory.path().join("copy.db");
    std::fs::copy(&path, &copy).unwrap();
    let copied = Store::open(&copy).unwrap();
    let items = copied.query(key, now).await.unwrap();
    assert_eq!(items.iter().map(|item| &item.bytes[..]).collect::<Vec<_>>(), [[7]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_process_writes_another_reads() {
    let (_directory, path, store) = on_a_file();
    let other = Store::open(&path).unwrap();
    let (key, now) = (fresh_key(), Clock::system().now());
    for revision in 0..4 {
        let (writer, reader) = if revision % 2 == 0 { (&store, &other) } else { (&other, &store) };
        let item = Item { name: "leg#1".into(), bytes: vec![revision as u8], revision };
        let next = writer.put(key, item, None, now + HOUR).await.unwrap();
        let seen = reader.query(key, now).await.unwrap();
        assert_eq!((seen[0].revision, seen[0].bytes[0]), (next, revision as u8));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_that_race_exactly_one_wins() {
    let (_directory, path, store) = on_a_file();
    let other = Store::open(&path).unwrap();
    let now = Clock::system().now();
    for _ in 0..50 {
        let key = fresh_key();
        let item = Item { name: "leg#1".into(), bytes: Vec::new(), revision: 0 };
        let (one, two) = tokio::join!(
            store.put(key, item.clone(), None, now + HOUR),
            other.put(key, item, None, now + HOUR)
        );
        assert_eq!(usize::from(one.is_ok()) + usize::from(two.is_ok()), 1);
        assert!(one.err().or(two.err()).unwrap().is_conflict());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_from_another_process_wakes_its_taker() {
    let (_directory, path, store) = on_a_file();
    let other = Store::open(&path).unwrap();
    let (owner, key) = (fresh_owner(), fresh_key());
    let taker = tokio::spawn({
        let owner = owner.clone();
        async move { store.take(&owner, Duration::from_secs(3_600)).await }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    other.post(&owner, key, Clock::system().now()).await.unwrap();
    // Long before the hour is over: a taker that only looked at its end would hang here.
    assert_eq!(taker.await.unwrap().unwrap(), [key]);
}

#[tokio::test(start_paused = true)]
async fn a_letter_wakes_its_taker_at_once() {
    let store = Store::in_memory().unwrap();
    let (owner, key, before) = (fresh_owner(), fresh_key(), Instant::now());
    let take = store.take(&owner, Duration::from_secs(20));
    let post = async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        store.post(&owner, key, Clock::system().now()).await.unwrap();
    };
    let (taken, ()) = tokio::join!(take, post);
    assert_eq!(taken.unwrap(), [key]);
    assert_eq!(before.elapsed(), Duration::from_millis(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taker_that_is_dropped_loses_no_letter() {
    let (_directory, _, store) = on_a_file();
    let (owner, now) = (fresh_owner(), Clock::system().now());
    let mut expected = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for round in 0..100 {
        let key = fresh_key();
        expected.insert(key);
        store.post(&owner, key, now).await.unwrap();
        let hurry = Duration::from_micros(round * 5);
        let take = store.take(&owner, Duration::ZERO);
        if let Ok(letters) = tokio::time::timeout(hurry, take).await {
            taken.extend(letters.unwrap());
        }
    }
    taken.extend(store.take(&owner, Duration::from_millis(300)).await.unwrap());
    assert_eq!(taken, expected);
}

#[tokio::test]
async fn an_organization_that_an_older_version_stored_can_be_changed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let older = Schema { migrations: &SCHEMA.migrations[..4], ..SCHEMA };
    let connection = older.open(Place::File(&path)).unwrap();
    let settings = Organization {
        id: fresh_organization(),
        platform: PlatformPlace::Region("usw2".to_owned()),
        client_ids: Vec::new(),
        listen: Listen::Ready,
        on_hold: OnHold::Keep,
        queues: Vec::new(),
        retention_days: None,
    };
    let text = serde_json::to_string(&settings).unwrap();
    connection
        .execute(
            "INSERT INTO organizations VALUES (?1, ?2)",
            params![settings.id.uuid().as_bytes(), text],
        )
        .unwrap();
    drop(connection);
    let store = Store::open(&path).unwrap();
    assert_eq!(store.organizations().await.unwrap(), std::slice::from_ref(&settings));
    assert_eq!(store.organization_revision(settings.id).await.unwrap(), 0);
    let changed = Organization { listen: Listen::Always, ..settings.clone() };
    store.put_organization(&changed).await.unwrap();
    let query = SettingsQuery { before: None, limit: 10 };
    let history = store.organization_history(settings.id, &query).await.unwrap().entries;
    let [only] = &history[..] else { panic!("{history:?}") };
    assert_eq!((only.revision, &only.change.before), (1, &Some(settings)));
}

#[tokio::test]
async fn a_removed_owner_has_no_letters() {
    let store = Store::in_memory().unwrap();
    let (owner, now) = (fresh_owner(), Clock::system().now());
    let life = Duration::from_secs(15);
    store.beat(&OwnerBeat { owner: owner.clone(), beat: 1, life }).await.unwrap();
    store.post(&owner, fresh_key(), now).await.unwrap();
    store.remove_owner(&owner, None).await.unwrap();
    assert!(store.take(&owner, Duration::ZERO).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_expired_is_deleted_in_time() {
    let store = Store::in_memory().unwrap();
    let (key, owner, now) = (fresh_key(), fresh_owner(), Clock::system().now());
    let item = |name: &str| Item { name: name.into(), bytes: Vec::new(), revision: 0 };
    store.put(key, item("leg#short"), None, now + HOUR).await.unwrap();
    store.put(key, item("leg#long"), None, now + HOUR * 3).await.unwrap();
    store.post(&owner, key, now - LETTER_LIFE * 2).await.unwrap();
    assert_eq!(store.remember("key", "a", now + HOUR, now).await.unwrap(), Freshness::Fresh);
    let (state, connection) =
        (ConnectionItem { bytes: Vec::new(), revision: 0 }, fresh_connection());
    store.put_connection(&connection, state, None, now + HOUR).await.unwrap();
    assert_eq!(rows(&store).await, [2, 1, 0, 1], "a letter older than its life is deleted");
    let later = now + HOUR * 2;
    store.remember("key", "b", later + HOUR, later).await.unwrap();
    assert_eq!(rows(&store).await, [1, 1, 0, 0], "what expired is deleted");
}

async fn rows(store: &Store) -> [u32; 4] {
    let count = |connection: &Connection, table| {
        connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))
    };
    let read = move |connection: &Connection| {
        Ok([
            count(connection, "items")?,
            count(connection, "nonces")?,
            count(connection, "letters")?,
            count(connection, "connections")?,
        ])
    };
    store.read("count", read).await.unwrap()
}
