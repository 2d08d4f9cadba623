//! The plan as a function, and its commit. All people are invented.

use proptest::prelude::*;
use sidetone_model::{Pii, Timestamp, UserStatus};
use sidetone_ports::{ChangeOrigin, ChangeWay};
use sidetone_ports_embedded::Store;
use uuid::Uuid;

use super::*;
use crate::difference::ChangeKind;
use crate::users::Removals;

fn id(number: u128) -> UserId {
    UserId::new(Uuid::from_u128(number))
}

fn person(number: u128, name: &str, username: &str) -> GenesysUser {
    let (name, username) = (Pii::new(name.to_owned()), Pii::new(username.to_owned()));
    GenesysUser { id: id(number), name, username, active: true }
}

/// Returns everybody, of whom everybody is meant.
fn all(listed: Vec<GenesysUser>) -> People {
    People { listed, meant: None }
}

fn stands(agent: &str, username: &str, adaptor: Adaptor) -> User {
    User {
        agent: AgentId::new(agent),
        name: Pii::new("Old Name".to_owned()),
        username: Pii::new(username.to_owned()),
        adaptor,
        team: "Billing".to_owned(),
        supervisor: "grace".to_owned(),
        site: "Oslo".to_owned(),
        status: UserStatus::Inactive,
    }
}

fn agents(agents: &[&str]) -> Vec<AgentId> {
    agents.iter().map(|agent| AgentId::new(*agent)).collect()
}

fn kinds(difference: &Difference) -> Vec<(&str, ChangeKind)> {
    let changes = difference.changes.iter();
    changes.map(|change| (change.agent.as_str(), ChangeKind::of(change))).collect()
}

const CLOUD: Adaptor = Adaptor::GenesysCloud;

#[test]
fn who_is_new_is_added_active_and_served_by_genesys_cloud() {
    let people = all(vec![person(1, "Ada Example", "Ada@a.example")]);
    let (difference, findings) = plan(Vec::new(), &people, Absent::Stay);
    assert_eq!(kinds(&difference), [("ada", ChangeKind::Added)]);
    let added = difference.changes[0].after.as_deref().unwrap();
    assert_eq!((added.adaptor, added.status), (CLOUD, UserStatus::Active));
    assert_eq!(
        (added.name.reveal(), added.username.reveal()),
        (&"Ada Example".to_owned(), &"Ada@a.example".to_owned())
    );
    assert_eq!(findings, Findings { listed: 1, looked_at: 1, ..Findings::default() });
}

#[test]
fn a_name_and_a_username_are_updated_and_what_administrators_decide_stays() {
    for adaptor in Adaptor::ALL {
        let before = stands("ada", "ada@old.example", adaptor);
        let people = all(vec![person(1, "Ada Example", "ada@new.example")]);
        let (difference, _) = plan(vec![before.clone()], &people, Absent::Remove(Removals::ALL));
        assert_eq!(kinds(&difference), [("ada", ChangeKind::Changed)], "{adaptor:?}");
        let after = difference.changes[0].after.as_deref().unwrap();
        let expected = User {
            name: Pii::new("Ada Example".to_owned()),
            username: Pii::new("ada@new.example".to_owned()),
            ..before
        };
        assert_eq!(*after, expected, "{adaptor:?}");
        let (again, _) = plan(vec![expected], &people, Absent::Remove(Removals::ALL));
        assert_eq!((again.changes.len(), again.unchanged), (0, 1));
    }
}

#[test]
fn two_people_of_one_local_part_are_told_and_left_alone() {
    let listed = vec![
        person(1, "Ann", "ann@a.example"),
        person(2, "Ann", "Ann@b.example"),
        person(3, "Max", "max@a.example"),
        person(4, "Max", "max@b.example"),
    ];
    let stored = vec![stands("ann", "ann@a.example", CLOUD)];
    let (difference, findings) = plan(stored, &all(listed.clone()), Absent::Remove(Removals::ALL));
    assert_eq!(kinds(&difference), []);
    let ann = Collision { agent: AgentId::new("ann"), users: vec![id(1), id(2)] };
    let max = Collision { agent: AgentId::new("max"), users: vec![id(3), id(4)] };
    assert_eq!(findings.collisions, [ann, max.clone()]);
    assert_eq!(findings.vanished, [], "who shares an id has not left");

    // One of the two is meant, and is not alone for that.
    let people = People { listed, meant: Some(BTreeSet::from([id(4)])) };
    let (difference, findings) = plan(Vec::new(), &people, Absent::Stay);
    assert_eq!((kinds(&difference), findings.collisions), (vec![], vec![max]));
}

#[test]
fn who_cannot_be_a_user_is_named_by_genesys_id_alone() {
    let secret = "Nobody Must See";
    let long = format!("{}@a.example", "x".repeat(1_100));
    let people = all(vec![
        person(1, secret, ""),
        person(2, secret, "@a.example"),
        person(3, "", "cy@a.example"),
        person(4, "Tab\tbed", "di@a.example"),
        person(5, "Eve", "eve example@a.example"),
        person(6, "Flo", &long),
        person(7, "Gil", "gil\u{200b}@a.example"),
    ]);
    let (difference, findings) = plan(Vec::new(), &people, Absent::Stay);
    assert_eq!(kinds(&difference), []);
    let told: Vec<_> =
        findings.unusable.iter().map(|one| (one.user_id, one.reasons.join("; "))).collect();
    let expected = [
        "email: is empty",
        "email: has nothing before the @",
        "name: is empty",
        "name: contains U+0009 (tab) as character 4; type the value again",
        "email: contains a blank, which is not part of an e-mail address",
        "email: is longer than 1 KiB (1,024 bytes)",
        "email: contains U+200B (zero-width space) as character 4; type the value again",
    ];
    let expected: Vec<_> = (1..).map(id).zip(expected.map(str::to_owned)).collect();
    assert_eq!(told, expected);
    assert!(!format!("{findings:?}").contains(secret));
}

#[test]
fn who_vanished_is_told_and_goes_only_where_somebody_said_so() {
    let stored = vec![
        stands("ada", "ada@a.example", CLOUD),
        stands("bo", "bo@a.example", CLOUD),
        stands("cy", "cy@a.example", Adaptor::Avaya),
        stands("zoe", "zoe@a.example", CLOUD),
    ];
    let ada =
        GenesysUser { name: Pii::new("Old Name".to_owned()), ..person(1, "", "ada@a.example") };
    // Zoe works elsewhere in the organization: outside of the scope, and not gone.
    let people = People {
        listed: vec![ada, person(2, "Zoe", "zoe@a.example")],
        meant: Some(BTreeSet::from([id(1), id(99)])),
    };
    let (kept, findings) = plan(stored.clone(), &people, Absent::Stay);
    assert_eq!(findings.vanished, agents(&["bo"]), "elsewhere served is not gone");
    assert_eq!((kinds(&kept), kept.unchanged, kept.absent.len()), (vec![], 1, 0));
    let (removed, same) = plan(stored, &people, Absent::Remove(Removals::ALL));
    assert_eq!(same, findings);
    assert_eq!(kinds(&removed), [("bo", ChangeKind::Removed)]);
}

#[test]
fn who_stands_under_an_id_of_their_own_is_neither_doubled_nor_gone() {
    let stored = vec![
        stands("4711", "ADA@a.example", Adaptor::Avaya),
        stands("4712", "bo@a.example", CLOUD),
        // Somebody else's username was entered for this one, who is listed, too.
        stands("di", "eve@a.example", CLOUD),
    ];
    let people = all(vec![
        person(1, "Ada", "ada@a.example"),
        person(2, "Bo", "bo@a.example"),
        person(3, "Di", "di@a.example"),
        person(4, "Eve", "eve@a.example"),
    ]);
    let (difference, findings) = plan(stored, &people, Absent::Remove(Removals::ALL));
    assert_eq!(kinds(&difference), [("di", ChangeKind::Changed), ("eve", ChangeKind::Added)]);
    let otherwise = |number, agent: &str, stands_as: &str| KnownOtherwise {
        user_id: id(number),
        agent: AgentId::new(agent),
        stands_as: agents(&[stands_as]),
    };
    let expected = [otherwise(1, "ada", "4711"), otherwise(2, "bo", "4712")];
    assert_eq!(findings.known_otherwise, expected);
    assert_eq!(findings.vanished, []);
}

#[tokio::test]
async fn a_sync_is_one_commit_that_can_be_undone() {
    let store = Store::in_memory().unwrap();
    let users = Users::new(store.clone());
    let organization = OrganizationId::new(Uuid::from_u128(1));
    let origin = ChangeOrigin {
        at: Timestamp::from_millis(1_795_327_200_123),
        by: "root".to_owned(),
        way: ChangeWay::Sync,
    };
    let commit = Intent::Commit(&origin);
    let stood = [stands("bo", "bo@a.example", CLOUD), stands("cy", "cy@a.example", CLOUD)];
    store.put_users(organization, &stood).await.unwrap();
    let people = all(vec![person(1, "Ada", "ada@a.example"), person(2, "Bo", "bo@a.example")]);
    let shown = users
        .sync(organization, &people, Absent::Remove(Removals::ALL), Intent::DryRun)
        .await
        .unwrap();
    assert_eq!(store.users(organization).await.unwrap(), stood, "a dry run changes nothing");
    let done =
        users.sync(organization, &people, Absent::Remove(Removals::ALL), commit).await.unwrap();
    assert_eq!(
        (&done.outcome.difference, &done.findings),
        (&shown.outcome.difference, &shown.findings)
    );
    let query = sidetone_ports::HistoryQuery { agent: None, before: None, limit: 10 };
    let history = store.user_history(organization, &query).await.unwrap().entries;
    let synced = history.iter().filter(|entry| entry.origin.way == ChangeWay::Sync);
    let synced: Vec<_> =
        synced.map(|entry| (entry.revision, entry.change.agent.as_str())).collect();
    assert_eq!(synced, [(2, "cy"), (2, "bo"), (2, "ada")]);
    let again =
        users.sync(organization, &people, Absent::Remove(Removals::ALL), commit).await.unwrap();
    assert_eq!((again.outcome.revision, again.findings.vanished), (None, vec![]));
    users.undo(organization, done.outcome.revision.unwrap(), commit).await.unwrap();
    assert_eq!(store.users(organization).await.unwrap(), stood);
}

/// Few names, so that people meet, and some that cannot be.
fn username() -> impl Strategy<Value = String> {
    let local = prop::sample::select(vec!["ada", "Ada", "bo", "cy", "di", "", "a b", " eve "]);
    let domain = prop::sample::select(vec!["@a.example", "@b.example", ""]);
    (local, domain).prop_map(|(local, domain)| format!("{local}{domain}"))
}

fn anybody() -> impl Strategy<Value = (Vec<User>, People)> {
    let name = prop::sample::select(vec!["", "One", "Two"]);
    let listed = prop::collection::vec((name, username()), 0..8);
    let adaptor = prop::sample::select(Adaptor::ALL.to_vec());
    let agent = prop::sample::select(vec!["ada", "bo", "cy", "di", "4711"]);
    let stored = prop::collection::btree_map(agent, (username(), adaptor), 0..5);
    let meant = prop::option::of(prop::collection::btree_set(0..8_u128, 0..8));
    (listed, stored, meant).prop_map(|(listed, stored, meant)| {
        let listed = (0..).zip(listed).map(|(number, (name, user))| person(number, name, &user));
        let meant = meant.map(|meant| meant.into_iter().map(id).collect());
        let stored = stored.into_iter().map(|(agent, (user, to))| stands(agent, &user, to));
        (stored.collect(), People { listed: listed.collect(), meant })
    })
}

fn applied(stored: &[User], difference: &Difference) -> Vec<User> {
    let mut users: BTreeMap<_, _> =
        stored.iter().map(|user| (user.agent.clone(), user.clone())).collect();
    for change in &difference.changes {
        match &change.after {
            Some(after) => drop(users.insert(change.agent.clone(), User::clone(after))),
            None => drop(users.remove(&change.agent)),
        }
    }
    users.into_values().collect()
}

proptest! {
    #[test]
    fn a_second_sync_finds_nothing_to_change((stored, people) in anybody(), removes: bool) {
        let vanished = if removes { Absent::Remove(Removals::ALL) } else { Absent::Stay };
        let (first, findings) = plan(stored.clone(), &people, vanished);
        let (second, same) = plan(applied(&stored, &first), &people, vanished);
        prop_assert_eq!(kinds(&second), []);
        let left = if removes { Vec::new() } else { findings.vanished.clone() };
        prop_assert_eq!(same, Findings { vanished: left, ..findings });
    }

    #[test]
    fn nobody_goes_or_is_moved_without_being_told((stored, people) in anybody()) {
        let (kept, findings) = plan(stored.clone(), &people, Absent::Stay);
        let after = applied(&stored, &kept);
        for before in &stored {
            let after = after.iter().find(|user| user.agent == before.agent).unwrap();
            let (name, username) = (after.name.clone(), after.username.clone());
            prop_assert_eq!(after, &User { name, username, ..before.clone() });
        }
        let (removed, _) = plan(stored, &people, Absent::Remove(Removals::ALL));
        let gone = kinds(&removed).into_iter().filter(|(_, kind)| *kind == ChangeKind::Removed);
        let gone: Vec<_> = gone.map(|(agent, _)| AgentId::new(agent)).collect();
        prop_assert_eq!(gone, findings.vanished);
    }
}

#[tokio::test]
async fn a_sync_that_would_remove_more_than_a_fifth_is_refused_until_it_is_confirmed() {
    let store = Store::in_memory().unwrap();
    let organization = OrganizationId::new(Uuid::from_u128(9));
    let stored: Vec<_> =
        (0..4).map(|n| stands(&format!("a{n}"), &format!("a{n}@a"), CLOUD)).collect();
    store.put_users(organization, &stored).await.unwrap();
    let users = Users::new(store);
    let people = all((1..4).map(|n| person(n, "A", &format!("a{n}@a"))).collect());
    let at = Timestamp::from_millis(0);
    let origin = ChangeOrigin { at, by: "root".to_owned(), way: ChangeWay::Sync };
    let commit = Intent::Commit(&origin);
    let few = users.sync(organization, &people, Absent::Remove(Removals::Few), commit).await;
    let refused = few.unwrap_err();
    assert!(matches!(refused, UsersError::ManyRemoved { removed: 1, stored: 4 }), "{refused}");
    let one = Absent::Remove(Removals::UpTo(1));
    let synced = users.sync(organization, &people, one, commit).await.unwrap();
    assert_eq!(synced.outcome.difference.counts().removed, 1);
}
