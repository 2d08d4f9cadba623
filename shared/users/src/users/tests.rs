//! Plans and commits on the embedded store.

use sidetone_model::{Pii, Timestamp, UserStatus};
use sidetone_ports::ChangeWay;
use sidetone_ports_embedded::Store;
use sidetone_user_file::{Fields, FileStyle, ReadOptions, read, write};

use super::*;
use crate::difference::{ChangeKind, Counts};

fn organization() -> OrganizationId {
    "0f0e0d0c-0b0a-4908-8706-050403020100".parse().unwrap()
}

fn origin() -> ChangeOrigin {
    let at = Timestamp::from_millis(1_795_327_200_123);
    ChangeOrigin { at, by: "root".to_owned(), way: ChangeWay::Cli }
}

fn user(agent: &str, adaptor: Adaptor) -> User {
    User {
        agent: AgentId::new(agent),
        name: Pii::new(format!("Invented {agent}")),
        username: Pii::new(format!("{agent}@customer.example")),
        adaptor,
        team: "Billing".to_owned(),
        supervisor: String::new(),
        site: String::new(),
        status: UserStatus::Active,
    }
}

fn ids(agents: &[&str]) -> Vec<AgentId> {
    agents.iter().map(|agent| AgentId::new(*agent)).collect()
}

/// Users `ada`, `bo` and `cy`, the last one on Avaya.
async fn three() -> (Store, Users<Store>) {
    let store = Store::in_memory().unwrap();
    let users = Users::new(store.clone());
    let wanted = [
        user("ada", Adaptor::GenesysCloud),
        user("bo", Adaptor::GenesysCloud),
        user("cy", Adaptor::Avaya),
    ]
    .map(Arc::new);
    let origin = origin();
    let put = users.put(organization(), &wanted, &[], Absent::Stay, Intent::Commit(&origin)).await;
    assert_eq!(put.unwrap().revision, Some(1));
    (store, users)
}

async fn stored(store: &Store) -> Vec<(String, Adaptor)> {
    let users = store.users(organization()).await.unwrap();
    users.into_iter().map(|user| (user.agent.to_string(), user.adaptor)).collect()
}

fn told(outcome: &Outcome) -> Vec<(&str, ChangeKind)> {
    let changes = &outcome.difference.changes;
    changes.iter().map(|one| (one.agent.as_str(), ChangeKind::of(one))).collect()
}

#[tokio::test]
async fn a_difference_tells_added_changed_moved_and_removed() {
    let (store, users) = three().await;
    let wanted = [
        User { team: "Returns".to_owned(), ..user("ada", Adaptor::GenesysCloud) },
        user("bo", Adaptor::Cisco),
        user("di", Adaptor::GenesysCloud),
    ]
    .map(Arc::new);
    let (origin, before) = (origin(), stored(&store).await);
    let expected = [
        ("ada", ChangeKind::Changed),
        ("bo", ChangeKind::Moved),
        ("cy", ChangeKind::Removed),
        ("di", ChangeKind::Added),
    ];
    let shown = users
        .put(organization(), &wanted, &[], Absent::Remove(Removals::ALL), Intent::DryRun)
        .await
        .unwrap();
    assert_eq!((told(&shown).as_slice(), shown.revision), (expected.as_slice(), None));
    let counts = Counts { added: 1, changed: 1, moved: 1, removed: 1, unchanged: 0 };
    assert_eq!(shown.difference.counts(), counts);
    assert_eq!(stored(&store).await, before, "a dry run changes nothing");

    let kept = users.put(organization(), &wanted, &[], Absent::Stay, Intent::DryRun).await.unwrap();
    assert_eq!(kept.difference.absent, ids(&["cy"]), "who is not named stays, and is told");
    assert_eq!(kept.difference.counts(), Counts { removed: 0, ..counts });

    let commit = Intent::Commit(&origin);
    let done = users
        .put(organization(), &wanted, &[], Absent::Remove(Removals::ALL), commit)
        .await
        .unwrap();
    assert_eq!((done.difference, done.revision), (shown.difference, Some(2)));
    let again = users
        .put(organization(), &wanted, &[], Absent::Remove(Removals::ALL), commit)
        .await
        .unwrap();
    assert_eq!((again.revision, again.difference.counts().unchanged), (None, 3));
}

#[tokio::test]
async fn export_then_import_changes_nothing_and_leaves_no_history() {
    let (store, users) = three().await;
    let mut file = Vec::new();
    let all = store.users(organization()).await.unwrap();
    write(&mut file, &all, FileStyle::Plain).unwrap();
    let wanted: Vec<_> = read(file.as_slice(), &ReadOptions::default())
        .unwrap()
        .users
        .into_iter()
        .map(Arc::new)
        .collect();
    let origin = origin();
    let commit = Intent::Commit(&origin);
    let outcome = users
        .put(organization(), &wanted, &[], Absent::Remove(Removals::ALL), commit)
        .await
        .unwrap();
    assert_eq!((outcome.revision, outcome.difference.changes.len()), (None, 0));
    assert_eq!(store.user_revision(organization()).await.unwrap(), 1);
}

#[tokio::test]
async fn a_move_there_is_undone_even_from_several_adaptors() {
    let (store, users) = three().await;
    let (origin, before) = (origin(), stored(&store).await);
    let commit = Intent::Commit(&origin);
    let agents = ids(&["cy", "ada", "ada"]);
    let moved = users.move_to(organization(), &agents, Adaptor::Cisco, commit).await.unwrap();
    assert_eq!(told(&moved), [("ada", ChangeKind::Moved), ("cy", ChangeKind::Moved)]);
    assert_eq!(stored(&store).await[2], ("cy".to_owned(), Adaptor::Cisco));
    let revision = moved.revision.unwrap();
    let shown = users.undo(organization(), revision, Intent::DryRun).await.unwrap();
    assert_eq!(told(&shown), told(&moved));
    users.undo(organization(), revision, commit).await.unwrap();
    assert_eq!(stored(&store).await, before);
    let twice = users.undo(organization(), revision, commit).await.unwrap_err();
    assert_eq!(twice.to_string(), "change 2 cannot be undone: ada, cy changed since");
    let never = users.undo(organization(), 77, commit).await.unwrap_err();
    assert_eq!(never.to_string(), "there was no change 77");
}

#[tokio::test]
async fn an_import_of_many_with_removals_is_undone_whole() {
    let (store, users) = three().await;
    let (origin, before) = (origin(), stored(&store).await);
    let commit = Intent::Commit(&origin);
    let many: Vec<_> = (0..1_200)
        .map(|number| Arc::new(user(&format!("agent{number}"), Adaptor::Avaya)))
        .collect();
    let put =
        users.put(organization(), &many, &[], Absent::Remove(Removals::ALL), commit).await.unwrap();
    assert_eq!(stored(&store).await.len(), 1_200);
    let undone = users.undo(organization(), put.revision.unwrap(), commit).await.unwrap();
    assert_eq!(stored(&store).await, before);
    let again = users.undo(organization(), undone.revision.unwrap(), commit).await.unwrap();
    assert_eq!(again.difference.counts(), Counts { added: 1_200, removed: 3, ..Counts::default() });
}

#[tokio::test]
async fn nobody_is_added_twice_and_nobody_unknown_is_touched() {
    let (store, users) = three().await;
    let (origin, before) = (origin(), stored(&store).await);
    let commit = Intent::Commit(&origin);
    let twice = users.add(organization(), user("ada", Adaptor::Cisco), commit).await;
    assert_eq!(twice.unwrap_err().to_string(), "there is a user ada already");
    let unknown = ids(&["ada", "zoe", "yan"]);
    let removed = users.remove(organization(), &unknown, Removals::Few, commit).await.unwrap_err();
    assert_eq!(removed.to_string(), "there is no user yan, zoe");
    let moved = users.move_to(organization(), &unknown, Adaptor::Cisco, commit).await;
    assert!(matches!(moved, Err(UsersError::Unknown { .. })), "{moved:?}");
    assert_eq!(stored(&store).await, before, "not even those who are known");
    users.remove(organization(), &ids(&["ada"]), Removals::Few, commit).await.unwrap();
    users.add(organization(), user("ada", Adaptor::Cisco), commit).await.unwrap();
    assert_eq!(stored(&store).await[0], ("ada".to_owned(), Adaptor::Cisco));
}

#[tokio::test]
async fn what_was_changed_at_the_same_time_is_not_lost() {
    let (store, users) = three().await;
    let changes = ["ada", "bo", "cy"].map(|agent| {
        let (users, agent) = (users.clone(), AgentId::new(agent));
        tokio::spawn(async move {
            let edit = |user: &User| Ok(User { team: format!("{}'s", user.agent), ..user.clone() });
            users.edit(organization(), &agent, &edit, Intent::Commit(&origin())).await
        })
    });
    for change in changes {
        assert!(change.await.unwrap().unwrap().revision.is_some());
    }
    let teams = store.users(organization()).await.unwrap();
    let teams: Vec<_> = teams.iter().map(|user| user.team.as_str()).collect();
    assert_eq!(teams, ["ada's", "bo's", "cy's"]);
}

#[tokio::test]
async fn every_change_has_its_entry_with_who_when_before_and_after() {
    let (store, users) = three().await;
    let by = ChangeOrigin {
        at: Timestamp::from_millis(1_795_327_300_000),
        by: "grace".to_owned(),
        way: ChangeWay::Api,
    };
    let agents = ids(&["ada"]);
    users.move_to(organization(), &agents, Adaptor::Avaya, Intent::Commit(&by)).await.unwrap();
    let query = HistoryQuery { agent: Some(agents[0].clone()), before: None, limit: 10 };
    let history = store.user_history(organization(), &query).await.unwrap().entries;
    let adaptor = |user: &Option<Arc<User>>| user.as_ref().map(|user| user.adaptor);
    let told: Vec<_> = history
        .iter()
        .map(|one| (&one.origin, adaptor(&one.change.before), adaptor(&one.change.after)))
        .collect();
    assert_eq!(
        told,
        [
            (&by, Some(Adaptor::GenesysCloud), Some(Adaptor::Avaya)),
            (&origin(), None, Some(Adaptor::GenesysCloud)),
        ]
    );
}

#[test]
fn a_username_that_changes_is_told() {
    let old = user("ada", Adaptor::Avaya);
    let fields = Fields { email: "ADA@other.example", ..Fields::of(&old) };
    let wanted = [Arc::new(fields.check().unwrap())];
    let difference = Difference::between(vec![old.clone()], &wanted, false);
    assert_eq!(difference.other_usernames().cloned().collect::<Vec<_>>(), ids(&["ada"]));
    let same = Fields { email: "ADA@customer.example", ..Fields::of(&old) };
    let same = [Arc::new(same.check().unwrap())];
    let difference = Difference::between(vec![old], &same, false);
    assert_eq!(difference.other_usernames().count(), 0, "letter case is no other person");
}

#[tokio::test]
async fn a_change_that_would_remove_more_than_a_fifth_is_refused_until_it_is_confirmed() {
    let store = Store::in_memory().unwrap();
    let users = Users::new(store.clone());
    let many: Vec<_> =
        (0..10).map(|n| Arc::new(user(&format!("a{n}"), Adaptor::GenesysCloud))).collect();
    let (origin, ids) = (origin(), ids(&["a0", "a1", "a2"]));
    let commit = Intent::Commit(&origin);
    users.put(organization(), &many, &[], Absent::Stay, commit).await.unwrap();
    let put = async |kept: usize, removals, intent| {
        users.put(organization(), &many[..kept], &[], Absent::Remove(removals), intent).await
    };
    let refused = put(7, Removals::Few, commit).await.unwrap_err();
    assert!(matches!(refused, UsersError::ManyRemoved { removed: 3, stored: 10 }), "{refused}");
    let refused = put(7, Removals::UpTo(2), commit).await.unwrap_err();
    assert!(matches!(refused, UsersError::ManyRemoved { removed: 3, stored: 10 }), "{refused}");
    let refused = users.remove(organization(), &ids, Removals::Few, commit).await.unwrap_err();
    assert!(matches!(refused, UsersError::ManyRemoved { removed: 3, stored: 10 }), "{refused}");
    assert_eq!(put(7, Removals::Few, Intent::DryRun).await.unwrap().difference.stored(), 10);
    assert_eq!(stored(&store).await.len(), 10, "nobody was removed");
    put(8, Removals::Few, commit).await.unwrap();
    put(5, Removals::UpTo(3), commit).await.unwrap();
    users.remove(organization(), &ids[..1], Removals::Few, commit).await.unwrap();
    assert_eq!(stored(&store).await.len(), 4);
}

#[tokio::test]
async fn fields_that_a_list_does_not_have_stay_as_they_are() {
    let (store, users) = three().await;
    let bare = |agent| User { team: String::new(), ..user(agent, Adaptor::GenesysCloud) };
    let wanted = [bare("cy"), bare("di")].map(Arc::new);
    let (origin, kept) = (origin(), ["adaptor", "team"]);
    let commit = Intent::Commit(&origin);
    let done = users.put(organization(), &wanted, &kept, Absent::Stay, commit).await.unwrap();
    assert_eq!(told(&done), [("di", ChangeKind::Added)]);
    let cy = store.user(organization(), &AgentId::new("cy")).await.unwrap().unwrap();
    assert_eq!((cy.adaptor, cy.team.as_str()), (Adaptor::Avaya, "Billing"));
}

#[tokio::test]
async fn a_user_whom_no_call_can_match_is_doubted_whatever_changed_it() {
    let (_, users) = three().await;
    let (origin, zoe) = (origin(), ids(&["zoe"]));
    let commit = Intent::Commit(&origin);
    let odd = User { username: Pii::new("zoe".to_owned()), ..user("zoe", Adaptor::Avaya) };
    let added = users.add(organization(), odd, commit).await.unwrap();
    assert_eq!(added.doubts().count(), 0, "its calls are elsewhere");
    let moved = users.move_to(organization(), &zoe, Adaptor::GenesysCloud, commit).await.unwrap();
    let doubts: Vec<_> = moved.doubts().map(|(agent, doubt)| (agent, doubt.column)).collect();
    assert_eq!(doubts, [(&zoe[0], "email")]);
}
