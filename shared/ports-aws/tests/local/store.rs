//! The stores on DynamoDB.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use sidetone_model::{Listen, OnHold, Organization, PlatformPlace};
use sidetone_ports::{
    CallStore, ChangeOrigin, ChangeWay, Claim, Clock, ConnectionItem, ConnectionStore, Freshness,
    Item, LeaseStore, Mailbox, NonceStore, OrganizationStore, Renewal, SettingsChange,
    SettingsQuery, StoreError, chain,
};
use sidetone_ports_aws::{DynamoStore, Tables};
use sidetone_testkit::{
    conformance, fresh_connection, fresh_key, fresh_organization, fresh_owner, fresh_text,
};

use crate::common::{aws, tables};
use crate::troubles::{Deaf, Dying, Halting, troubled};

const HOUR: Duration = Duration::from_secs(3600);

async fn store() -> DynamoStore {
    let client = Client::new(&aws().await);
    let tables = tables(&client).await;
    DynamoStore::new(&client, tables)
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_conform() {
    conformance::call_store(store().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_conform() {
    conformance::connections(store().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_conform() {
    conformance::leases(store().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mailboxes_conform() {
    conformance::mailbox(store().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nonces_conform() {
    conformance::nonce_store(store().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_conform() {
    conformance::owner_store(store().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn organizations_conform() {
    conformance::organization_store(store().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_that_an_older_version_stored_can_be_changed() {
    let client = Client::new(&aws().await);
    let tables = tables(&client).await;
    let store = DynamoStore::new(&client, tables.clone());
    let settings = Organization {
        id: fresh_organization(),
        platform: PlatformPlace::Region("usw2".to_owned()),
        client_ids: Vec::new(),
        listen: Listen::Ready,
        on_hold: OnHold::Keep,
        queues: Vec::new(),
        retention_days: None,
    };
    // As it was written before there was a history, and still is by whoever goes back to that.
    let put = async |settings: &Organization| {
        let text = serde_json::to_string(settings).expect("JSON");
        let put = client
            .put_item()
            .table_name(&tables.users)
            .item("pk", AttributeValue::S("organizations".to_owned()))
            .item("sk", AttributeValue::S(settings.id.to_string()))
            .item("settings", AttributeValue::S(text));
        put.send().await.expect("put");
    };
    put(&settings).await;
    assert_eq!(store.organization_revision(settings.id).await.expect("read"), 0);
    let changed = Organization { listen: Listen::Always, ..settings.clone() };
    store.put_organization(&changed).await.expect("changed");
    let read = SettingsChange {
        before: Some(changed.clone()),
        after: None,
        key_set: false,
        clients_set: false,
    };
    put(&settings).await;
    let origin =
        ChangeOrigin { at: Clock::system().now(), by: "ann".to_owned(), way: ChangeWay::Cli };
    let refused = store.change_organization(settings.id, 1, &origin, &read).await;
    assert!(refused.expect_err("it is no longer so").is_conflict());
    store.put_organization(&changed).await.expect("changed again");
    let query = SettingsQuery { before: None, limit: 10 };
    let history = store.organization_history(settings.id, &query).await.expect("read").entries;
    let told: Vec<_> =
        history.iter().map(|entry| (entry.revision, entry.change.before.as_ref())).collect();
    assert_eq!(told, [(2, Some(&settings)), (1, Some(&settings))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn users_conform() {
    conformance::user_store(store().await).await;
}

/// Two stores on the same tables; the second misses the first good answer it is given.
async fn store_and_deaf() -> (DynamoStore, DynamoStore) {
    let client = Client::new(&aws().await);
    let tables = tables(&client).await;
    let deaf = DynamoStore::new(&troubled(&client, Deaf::default()), tables.clone());
    (DynamoStore::new(&client, tables), deaf)
}

fn item(name: &str, revision: u64) -> Item {
    Item { name: name.into(), bytes: b"x".to_vec(), revision }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_answer_was_lost_is_no_conflict() {
    let (now, key) = (Clock::system().now(), fresh_key());
    let (store, deaf) = store_and_deaf().await;
    let revision = deaf.put(key, item("leg#1", 0), None, now + HOUR).await.expect("created");
    assert_eq!(revision, 1);
    let stale = store.put(key, item("leg#1", 0), None, now + HOUR).await;
    assert!(stale.expect_err("another's item is there").is_conflict());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_whose_answer_was_lost_is_no_conflict() {
    let (now, connection) = (Clock::system().now(), fresh_connection());
    let (store, deaf) = store_and_deaf().await;
    let state = |revision| ConnectionItem { bytes: b"x".to_vec(), revision };
    let first = store.put_connection(&connection, state(0), None, now + HOUR).await.expect("new");
    let second = deaf.put_connection(&connection, state(first), None, now + HOUR).await;
    assert_eq!(second.expect("it was its own write"), first + 1);
    let found = store.connection(&connection, now).await.expect("read").expect("there");
    assert_eq!(found.revision, first + 1, "it must be written once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nonce_whose_answer_was_lost_is_fresh() {
    let (now, key_id, nonce) = (Clock::system().now(), fresh_text("key"), fresh_text("nonce"));
    let (store, deaf) = store_and_deaf().await;
    let fresh = deaf.remember(&key_id, &nonce, now + HOUR, now).await.expect("remembered");
    assert_eq!(fresh, Freshness::Fresh, "a handshake is no replay of itself");
    let seen = store.remember(&key_id, &nonce, now + HOUR, now).await.expect("remembered");
    assert_eq!(seen, Freshness::Seen);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_whose_answer_was_lost_is_held() {
    let name = fresh_text("lease");
    let (store, deaf) = store_and_deaf().await;
    let claim = deaf.acquire(&name, "one", HOUR, None).await.expect("asked");
    let Claim::Granted(fence) = claim else {
        panic!("a free lease is had, whatever became of the answer")
    };
    let renewal = store.renew(&name, "one", fence, HOUR, false).await.expect("renewed");
    assert_eq!(renewal, Renewal::Held);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_of_several_pages_is_read_whole() {
    let (now, key, owner, store) =
        (Clock::system().now(), fresh_key(), fresh_owner(), store().await);
    for number in 0..12 {
        let bytes = vec![number; 300 * 1024];
        let item = Item { name: format!("session#{number:02}"), bytes, revision: 0 };
        store.put(key, item, Some(owner.clone()), now + HOUR).await.expect("put");
    }
    assert_eq!(store.query(key, now).await.expect("queried").len(), 12);
    assert_eq!(store.owned_by(&owner, now).await.expect("queried").len(), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_letter_is_lost_by_a_taker_that_dies() {
    let client = Client::new(&aws().await);
    let tables = tables(&client).await;
    let store = DynamoStore::new(&client, tables.clone());
    let (now, owner) = (Clock::system().now(), fresh_owner());
    let posted: BTreeSet<_> = (0..20).map(|_| fresh_key()).collect();
    for key in &posted {
        store.post(&owner, *key, now).await.expect("posted");
    }
    let dying = DynamoStore::new(&troubled(&client, Dying::after(8)), tables);
    let taken = dying.take(&owner, Duration::ZERO).await.expect("what was read is handed out");
    assert_eq!(BTreeSet::from_iter(taken), posted);
    let again = store.take(&owner, Duration::ZERO).await.expect("taken");
    assert_eq!(again.len(), 13, "what it could not delete is taken again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_is_posted_again_while_it_is_taken_is_not_lost() {
    let client = Client::new(&aws().await);
    let tables = tables(&client).await;
    let store = DynamoStore::new(&client, tables.clone());
    let (now, owner, key) = (Clock::system().now(), fresh_owner(), fresh_key());
    store.post(&owner, key, now).await.expect("posted");
    let halting = Halting::after(1);
    let slow = DynamoStore::new(&troubled(&client, halting.clone()), tables);
    let take = tokio::spawn({
        let owner = owner.clone();
        async move { slow.take(&owner, Duration::ZERO).await }
    });
    halting.halted().await;
    store.post(&owner, key, now).await.expect("posted again, between its reading and deleting");
    halting.release();
    assert_eq!(take.await.expect("no panic").expect("taken"), [key]);
    assert_eq!(store.take(&owner, Duration::ZERO).await.expect("taken"), [key]);
    assert!(store.take(&owner, Duration::ZERO).await.expect("taken").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_names_operation_and_code() {
    let client = Client::new(&aws().await);
    let nowhere = fresh_text("nowhere");
    let tables = Tables { calls: nowhere.clone(), users: nowhere.clone(), tracker: nowhere };
    let store = DynamoStore::new(&client, tables);
    let error = store.query(fresh_key(), Clock::system().now()).await.expect_err("no table");
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    let text = chain(&error);
    assert!(text.contains("dynamodb:Query answered ResourceNotFoundException: "), "{text}");
}
