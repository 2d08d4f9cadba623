//! Users on DynamoDB: large files, and writers that die or stand still in the middle of one.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use std::sync::Arc;

use sidetone_model::{Adaptor, AgentId, OrganizationId, Pii, Timestamp, User, UserStatus};
use sidetone_ports::{
    ChangeOrigin, ChangeWay, HistoryQuery, Revision, StoreError, UserChange, UserQuery, UserStore,
};
use sidetone_ports_aws::{DynamoStore, Tables};
use sidetone_testkit::fresh_organization;

use crate::common::{aws, tables};
use crate::troubles::{Dying, Halting, troubled};

/// How many users fit one transaction: two rows each, the head, and a row of history.
const TOGETHER_MAX: usize = 49;
/// How many requests a staged file of `large` needs until it is committed: the batch, three
/// chunks, the head, the commit.
const COMMITTED_AFTER: usize = 6;

fn user(number: usize, team: &str, name: &str) -> User {
    User {
        agent: AgentId::new(format!("agent{number:05}")),
        name: Pii::new(name.to_owned()),
        username: Pii::new(format!("agent{number:05}@customer.example")),
        adaptor: Adaptor::GenesysCloud,
        team: team.to_owned(),
        supervisor: String::new(),
        site: String::new(),
        status: UserStatus::Active,
    }
}

fn file(count: usize, team: &str) -> Vec<User> {
    (0..count).map(|number| user(number, team, "Invented")).collect()
}

/// A file that needs three chunks.
fn large(team: &str) -> Vec<User> {
    (0..150).map(|number| user(number, team, &"x".repeat(4_000))).collect()
}

struct Place {
    client: Client,
    tables: Tables,
    store: DynamoStore,
}

async fn place() -> Place {
    let client = Client::new(&aws().await);
    let tables = tables(&client).await;
    let store = DynamoStore::new(&client, tables.clone());
    Place { client, tables, store }
}

impl Place {
    /// Returns the places of all rows besides users and the head, in every partition.
    async fn remains(&self) -> Vec<String> {
        let rows = self.client.scan().table_name(&self.tables.users).into_paginator().items();
        let rows = rows.send().collect::<Result<Vec<_>, _>>().await.expect("a scan");
        let text = |value: &AttributeValue| value.as_s().expect("a text").clone();
        let places = rows.iter().map(|row| format!("{} {}", text(&row["pk"]), text(&row["sk"])));
        let lasting = |place: &String| {
            place.contains(" agent#")
                || place.ends_with(" head")
                || place.contains("#history ")
                || place.contains("#past#")
        };
        places.filter(|place| !lasting(place)).collect()
    }

    /// Returns what a writer commits who has read all there is to read.
    async fn planned(&self, organization: OrganizationId, users: &[User]) -> Planned {
        let expected = self.store.user_revision(organization).await.expect("a revision");
        let stored = self.store.users(organization).await.expect("users are listed");
        let before = |user: &User| stored.iter().find(|one| one.agent == user.agent);
        let change = |user: &User| UserChange {
            agent: user.agent.clone(),
            before: before(user).cloned().map(Arc::new),
            after: Some(Arc::new(user.clone())),
        };
        Planned { organization, expected, changes: users.iter().map(change).collect() }
    }

    async fn is_pending(&self, organization: OrganizationId) -> bool {
        let get = self.client.get_item().table_name(&self.tables.users).consistent_read(true);
        let get = get
            .key("pk", AttributeValue::S(organization.to_string()))
            .key("sk", AttributeValue::S("head".into()));
        let answer = get.send().await.expect("a read");
        answer.item.expect("a head").contains_key("pending")
    }
}

struct Planned {
    organization: OrganizationId,
    expected: Revision,
    changes: Vec<UserChange>,
}

impl Planned {
    async fn commit(&self, store: &DynamoStore) -> Result<Revision, StoreError> {
        let at = Timestamp::from_millis(1_795_327_200_000);
        let origin = ChangeOrigin { at, by: "root".to_owned(), way: ChangeWay::File };
        store.change_users(self.organization, self.expected, &origin, &self.changes).await
    }
}

async fn listed(store: &DynamoStore, organization: OrganizationId) -> Vec<User> {
    let listed = store.users(organization).await.expect("users are listed");
    for number in [0, listed.len() / 2, listed.len() - 1] {
        let found = store.user(organization, &listed[number].agent).await;
        let found = found.expect("a user is found");
        assert!(found.as_ref() == Some(&listed[number]), "one is found as it is listed");
    }
    let (mut paged, mut query) = (Vec::new(), UserQuery { after: None, limit: 400 });
    loop {
        let page = store.user_page(organization, &query).await.expect("a page is read");
        paged.extend(page.users);
        let Some(next) = page.next else { break };
        query.after = Some(next);
    }
    assert!(paged == listed, "pages bring everybody as they are listed, copied or not");
    listed
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_any_size_are_put_whole() {
    let (place, organization) = (place().await, fresh_organization());
    for (count, team) in [
        (1, "a"),
        (TOGETHER_MAX, "b"),
        (TOGETHER_MAX + 1, "c"),
        (3_000, "d"),
        (TOGETHER_MAX, "e"),
        (3_000, "f"),
    ] {
        let users = file(count, team);
        place.store.put_users(organization, &users).await.expect("users are put");
        let listed = listed(&place.store, organization).await;
        assert!(listed[..count] == users[..], "all {count} must be there");
        assert!(listed[count..].iter().all(|user| user.team != team), "and no others");
        assert!(!place.is_pending(organization).await, "nothing is left to do");
    }
    let large = large("large");
    place.store.put_users(organization, &large).await.expect("large users are put");
    assert!(listed(&place.store, organization).await[..150] == large[..]);
    let huge: Vec<_> = (0..30).map(|number| user(number, "h", &"x".repeat(200_000))).collect();
    place.store.put_users(organization, &huge).await.expect("few huge users are put");
    assert!(listed(&place.store, organization).await[..30] == huge[..]);
    assert_eq!(place.remains().await, [""; 0], "what was staged must be deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_put_leaves_nothing() {
    let (place, organization) = (place().await, fresh_organization());
    let old = file(120, "old");
    place.store.put_users(organization, &old).await.expect("users are put");
    for count in [1, 120] {
        let mut users = file(count, "new");
        users[count - 1].name = Pii::new("x".repeat(500_000));
        let refused = place.store.put_users(organization, &users).await;
        assert!(refused.is_err(), "a user that is larger than a row must be refused");
        assert!(listed(&place.store, organization).await == old, "and nobody be put");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_dies_has_put_all_or_nobody() {
    let place = place().await;
    let requests = (0..=COMMITTED_AFTER + 3).chain([40, 90]).chain(154..=166);
    for requests in requests {
        let organization = fresh_organization();
        let (old, new) = (file(110, "old"), large("new"));
        place.store.put_users(organization, &old).await.expect("users are put");
        let dying = troubled(&place.client, Dying::after(requests));
        let dying = DynamoStore::new(&dying, place.tables.clone());
        let planned = place.planned(organization, &new).await;
        let outcome = planned.commit(&dying).await;
        let listed_now = listed(&place.store, organization).await;
        if requests < COMMITTED_AFTER {
            assert!(outcome.is_err(), "nothing was committed after {requests} requests");
            assert!(listed_now == old, "so nobody may be put after {requests} requests");
        } else {
            assert!(outcome.is_ok(), "it was committed after {requests} requests: {outcome:?}");
            assert!(listed_now == new, "so all must be put after {requests} requests");
        }
        let moved = user(7, "moved", "Invented");
        let put = place.store.put_users(organization, std::slice::from_ref(&moved)).await;
        put.expect("the next writer gets through");
        let mut expected = listed_now;
        expected[7] = moved;
        assert!(
            listed(&place.store, organization).await == expected,
            "the next writer must change its own user alone, after {requests} requests"
        );
        assert!(!place.is_pending(organization).await, "it must have finished the copying");
        let query = HistoryQuery { agent: None, before: None, limit: 1_000 };
        let history = place.store.user_history(organization, &query).await.expect("a history");
        let committed = if requests < COMMITTED_AFTER { 0 } else { new.len() };
        assert_eq!(
            history.entries.len(),
            old.len() + committed + 1,
            "each change must have its entry, after {requests} requests"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_stood_still_replaces_nothing_later() {
    let (place, organization) = (place().await, fresh_organization());
    for requests in [COMMITTED_AFTER + 2, COMMITTED_AFTER + 60] {
        let halting = Halting::after(requests);
        let slow = troubled(&place.client, halting.clone());
        let slow = DynamoStore::new(&slow, place.tables.clone());
        let planned = place.planned(organization, &large("slow")).await;
        let put = tokio::spawn(async move { planned.commit(&slow).await });
        halting.halted().await;
        let later = file(150, "later");
        let (few, many) = (&later[..2], &later[100..]);
        place.store.put_users(organization, few).await.expect("the next writer gets through");
        place.store.put_users(organization, many).await.expect("the next writer gets through");
        halting.release();
        put.await.expect("no panic").expect("it had committed");
        let mut expected = large("slow");
        expected[..2].clone_from_slice(few);
        expected[100..].clone_from_slice(many);
        assert!(
            listed(&place.store, organization).await == expected,
            "who stood still must not bring back what was replaced meanwhile"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_between_whose_pages_a_writer_came_reads_again() {
    let (place, organization) = (place().await, fresh_organization());
    let several_pages = |team: &str| -> Vec<User> {
        (0..120).map(|number| user(number, team, &"x".repeat(20_000))).collect()
    };
    place.store.put_users(organization, &several_pages("old")).await.expect("users are put");
    // The head, and the first of the pages.
    let halting = Halting::after(2);
    let slow = troubled(&place.client, halting.clone());
    let slow = DynamoStore::new(&slow, place.tables.clone());
    let read = tokio::spawn(async move { slow.users(organization).await });
    halting.halted().await;
    let new = several_pages("new");
    place.store.put_users(organization, &new).await.expect("users are put");
    halting.release();
    let listed = read.await.expect("no panic").expect("users are listed");
    assert!(listed == new, "a list must not be old at its beginning and new at its end");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_files_that_race_do_not_mix() {
    let (place, organization) = (place().await, fresh_organization());
    place.store.put_users(organization, &file(120, "team")).await.expect("users are put");
    let mut writers = Vec::new();
    for writer in 0..4 {
        let store = place.store.clone();
        writers.push(tokio::spawn(async move {
            store.put_users(organization, &file(120, &format!("team {writer}"))).await
        }));
    }
    while !writers.iter().all(|writer| writer.is_finished()) {
        let listed = place.store.users(organization).await.expect("users are listed");
        assert_eq!(listed.len(), 120);
        assert!(listed.iter().all(|user| user.team == listed[0].team), "files must not mix");
    }
    for writer in writers {
        writer.await.expect("no panic").expect("every writer gets through");
    }
    assert_eq!(place.remains().await, [""; 0], "what was staged must be deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_writer_staged_is_deleted_in_time() {
    let (place, organization) = (place().await, fresh_organization());
    for (batch, begun) in [("old", "1000"), ("young", "99999999999999")] {
        for (pk, sk) in [
            (organization.to_string(), format!("batch#{batch}")),
            (format!("{organization}#{batch}"), "agent1".to_owned()),
        ] {
            let put = place.client.put_item().table_name(&place.tables.users);
            let put = put
                .item("pk", AttributeValue::S(pk))
                .item("sk", AttributeValue::S(sk))
                .item("begun_ms", AttributeValue::N(begun.into()));
            put.send().await.expect("a row is put");
        }
    }
    place.store.put_users(organization, &file(120, "team")).await.expect("users are put");
    let mut remains = place.remains().await;
    remains.sort();
    let young = [format!("{organization} batch#young"), format!("{organization}#young agent1")];
    assert_eq!(remains, young, "what is old must be deleted, what may be at work must not");
}
