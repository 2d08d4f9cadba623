//! Provisioned users: all or none of a commit with its history, only upon what its writer read,
//! and no organization sees another's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sidetone_model::{Adaptor, AgentId, OrganizationId, Pii, User, UserStatus};
use sidetone_ports::{
    ChangeOrigin, ChangeWay, HistoryEntry, HistoryPlace, HistoryQuery, UserChange, UserQuery,
    UserStore,
};

use super::{RACERS, done, present};
use crate::fresh::fresh_organization;

/// Checks a [`UserStore`]. Panics where it falls short.
pub async fn user_store<S: UserStore>(store: S) {
    users_are_added_and_replaced(&store).await;
    organizations_do_not_see_each_other(&store).await;
    a_reader_sees_all_of_a_file_or_none(&store).await;
    a_commit_adds_changes_and_removes_with_its_history(&store).await;
    a_commit_upon_what_is_no_longer_so_changes_nothing(&store).await;
    of_writers_who_read_the_same_one_commits(&store).await;
    large_commits_keep_their_history(&store).await;
    pages_together_are_everybody(&store).await;
}

fn user(agent: &str, team: &str) -> User {
    User {
        agent: AgentId::new(agent),
        name: Pii::new(format!("Invented {agent}")),
        username: Pii::new(format!("{agent}@customer.example")),
        adaptor: Adaptor::GenesysCloud,
        team: team.into(),
        supervisor: "grace.example".into(),
        site: String::new(),
        status: UserStatus::Active,
    }
}

async fn users_are_added_and_replaced<S: UserStore>(store: &S) {
    let organization = fresh_organization();
    let ada = user("ada.example", "billing");
    let found = store.user(organization, &ada.agent).await;
    assert_eq!(done("finding a user", found), None, "nobody is provisioned at first");
    done("putting nobody", store.put_users(organization, &[]).await);
    let zoe = user("zoe.example", "billing");
    done("putting users", store.put_users(organization, &[zoe.clone(), ada.clone()]).await);
    assert_eq!(
        done("listing users", store.users(organization).await),
        [ada.clone(), zoe.clone()],
        "all users must be listed, in order of agent id"
    );
    let moved = User { adaptor: Adaptor::Avaya, status: UserStatus::Inactive, ..ada };
    done("moving a user", store.put_users(organization, std::slice::from_ref(&moved)).await);
    assert_eq!(
        done("finding a user", store.user(organization, &moved.agent).await),
        Some(moved.clone()),
        "a user put again must be replaced whole"
    );
    assert_eq!(
        done("listing users", store.users(organization).await),
        [moved, zoe],
        "and nobody else"
    );
}

async fn organizations_do_not_see_each_other<S: UserStore>(store: &S) {
    let (ours, theirs) = (fresh_organization(), fresh_organization());
    let ada = user("ada.example", "billing");
    done("putting users", store.put_users(ours, std::slice::from_ref(&ada)).await);
    assert_eq!(
        done("finding a user", store.user(theirs, &ada.agent).await),
        None,
        "a user of one organization must not be found in another"
    );
    assert!(
        done("listing users", store.users(theirs).await).is_empty(),
        "a user of one organization must not be listed in another"
    );
    let namesake = user("ada.example", "sales");
    done("putting users", store.put_users(theirs, &[namesake]).await);
    assert_eq!(
        done("finding a user", store.user(ours, &ada.agent).await),
        Some(ada),
        "the same agent id elsewhere must not replace ours"
    );
}

/// Reads all pages of that size.
async fn paged<S: UserStore>(
    store: &S,
    organization: OrganizationId,
    after: Option<AgentId>,
    limit: usize,
) -> Vec<User> {
    let (mut users, mut query) = (Vec::new(), UserQuery { after, limit });
    loop {
        let page = done("a page of users", store.user_page(organization, &query).await);
        assert!(page.users.len() <= limit, "a page has no more users than asked for");
        users.extend(page.users);
        let Some(next) = page.next else { return users };
        assert!(query.after.as_ref() < Some(&next), "each page goes on behind the one before");
        query.after = Some(next);
    }
}

async fn pages_together_are_everybody<S: UserStore>(store: &S) {
    let (organization, empty) = (fresh_organization(), fresh_organization());
    let everybody: Vec<User> =
        (0..130).map(|number| user(&format!("agent{number:03}"), "billing")).collect();
    done("putting users", store.put_users(organization, &everybody).await);
    // Somebody left, so that rows and users are not the same.
    let agent = everybody[7].agent.clone();
    let gone = UserChange { agent, before: Some(Arc::new(everybody[7].clone())), after: None };
    let revision = done("a revision", store.user_revision(organization).await);
    let origin = origin("grace", ChangeWay::Api);
    let removed = store.change_users(organization, revision, &origin, &[gone]).await;
    done("removing a user", removed);
    let left = done("listing users", store.users(organization).await);
    assert_eq!(left.len(), 129);
    for limit in [1, 7, 128, 129, 130, 500] {
        let all = paged(store, organization, None, limit).await;
        assert_eq!(all, left, "pages of {limit} must bring everybody once, in order");
    }
    let behind = |after: &str| AgentId::new(after);
    for (after, count) in [("agent119", 10), ("agent119x", 10), ("agent129", 0), ("b", 0)] {
        let rest = paged(store, organization, Some(behind(after)), 4).await;
        assert_eq!(rest, left[129 - count..], "behind {after} there are {count}");
    }
    assert_eq!(paged(store, empty, None, 10).await, [], "and nobody of others");
}

async fn a_reader_sees_all_of_a_file_or_none<S: UserStore>(store: &S) {
    let organization = fresh_organization();
    let file = |team: &str| {
        (0..40).map(|number| user(&format!("agent{number:03}"), team)).collect::<Vec<_>>()
    };
    let mut writers = Vec::new();
    for writer in 0..RACERS {
        let (store, users) = (store.clone(), file(&format!("team {writer}")));
        writers.push(tokio::spawn(async move {
            done("putting a file", store.put_users(organization, &users).await);
        }));
    }
    for _ in 0..RACERS {
        let listed = done("listing users", store.users(organization).await);
        assert!(
            listed.is_empty() || listed.len() == 40,
            "a file is there whole or not at all, got {} of 40 users",
            listed.len()
        );
        if let Some(first) = listed.first() {
            let mixed = listed.iter().find(|user| user.team != first.team);
            assert!(mixed.is_none(), "two files must not mix");
        }
        tokio::task::yield_now().await;
    }
    for writer in writers {
        writer.await.expect("a writer does not panic");
    }
}

/// A moment with microseconds, so that a twin which rounds is noticed.
fn origin(by: &str, way: ChangeWay) -> ChangeOrigin {
    ChangeOrigin { at: present() + Duration::from_micros(123_457), by: by.to_owned(), way }
}

fn change(before: Option<&User>, after: Option<&User>) -> UserChange {
    let agent = before.or(after).expect("a change changes somebody").agent.clone();
    let shared = |user: Option<&User>| user.cloned().map(Arc::new);
    UserChange { agent, before: shared(before), after: shared(after) }
}

/// Reads a history to its end, in pages.
async fn history<S: UserStore>(
    store: &S,
    organization: OrganizationId,
    agent: Option<&AgentId>,
    limit: usize,
) -> Vec<HistoryEntry> {
    let mut entries = Vec::new();
    let mut before: Option<HistoryPlace> = None;
    loop {
        let query = HistoryQuery { agent: agent.cloned(), before: before.clone(), limit };
        let page = done("reading a history", store.user_history(organization, &query).await);
        assert!(page.entries.len() <= limit, "a page must not be longer than was asked for");
        entries.extend(page.entries);
        match page.next {
            Some(next) => before = Some(next),
            None => break,
        }
    }
    let places: Vec<_> = entries.iter().map(HistoryEntry::place).collect();
    assert!(places.is_sorted_by(|one, next| one > next), "the newest must come first, once");
    entries
}

async fn a_commit_adds_changes_and_removes_with_its_history<S: UserStore>(store: &S) {
    let organization = fresh_organization();
    assert_eq!(done("reading a revision", store.user_revision(organization).await), 0);
    assert!(history(store, organization, None, 5).await.is_empty());
    let (ada, bo) = (user("ada.example", "billing"), user("bo.example", "billing"));
    let hired = origin("root", ChangeWay::File);
    let adding = [change(None, Some(&ada)), change(None, Some(&bo))];
    let first =
        done("committing users", store.change_users(organization, 0, &hired, &adding).await);
    assert!(first > 0, "a commit must move the revision on");
    assert_eq!(done("reading a revision", store.user_revision(organization).await), first);

    let moved = User { adaptor: Adaptor::Avaya, ..ada.clone() };
    let cy = user("cy.example", "returns");
    let told = origin("grace", ChangeWay::Api);
    let mixed =
        [change(Some(&ada), Some(&moved)), change(Some(&bo), None), change(None, Some(&cy))];
    let second =
        done("committing users", store.change_users(organization, first, &told, &mixed).await);
    assert!(second > first, "each commit must move the revision on");
    assert_eq!(
        done("listing users", store.users(organization).await),
        [moved.clone(), cy],
        "one is changed, one is removed, one is added"
    );
    let found = store.user(organization, &bo.agent).await;
    assert_eq!(done("finding a user", found), None, "who is removed must not be found");
    let unmoved = store.change_users(organization, second, &told, &[]).await;
    assert_eq!(done("committing nothing", unmoved), second, "nothing is no commit");

    for limit in [1, 2, 3, 100] {
        let entries = history(store, organization, None, limit).await;
        let expected: BTreeMap<_, _> = adding
            .iter()
            .map(|change| ((first, change.agent.clone()), (&hired, change)))
            .chain(mixed.iter().map(|one| ((second, one.agent.clone()), (&told, one))))
            .collect();
        let seen: BTreeMap<_, _> = entries
            .iter()
            .map(|one| ((one.revision, one.change.agent.clone()), (&one.origin, &one.change)))
            .collect();
        assert_eq!(seen, expected, "every change must be told once, in pages of {limit}");
        let of_ada = history(store, organization, Some(&ada.agent), limit).await;
        let told_of_ada: Vec<_> = of_ada.iter().map(|one| &one.change).collect();
        assert_eq!(told_of_ada, [&mixed[0], &adding[0]], "and one user's by itself");
    }
    let back = [change(None, Some(&bo))];
    let third = done("committing", store.change_users(organization, second, &told, &back).await);
    assert!(third > second);
    let found = store.user(organization, &bo.agent).await;
    assert_eq!(done("finding a user", found), Some(bo.clone()), "who was removed may come back");
    assert_eq!(history(store, organization, Some(&bo.agent), 2).await.len(), 3);
    assert!(history(store, fresh_organization(), None, 5).await.is_empty());
    assert!(
        history(store, fresh_organization(), Some(&bo.agent), 5).await.is_empty(),
        "the history of one organization must not be read in another"
    );
}

async fn a_commit_upon_what_is_no_longer_so_changes_nothing<S: UserStore>(store: &S) {
    let organization = fresh_organization();
    let by = origin("root", ChangeWay::Cli);
    let (ada, bo) = (user("ada.example", "billing"), user("bo.example", "billing"));
    let adding = [change(None, Some(&ada))];
    let first = done("committing", store.change_users(organization, 0, &by, &adding).await);
    for expected in [0, first + 1, first + 1_000] {
        let late = [change(None, Some(&bo))];
        let late = store.change_users(organization, expected, &by, &late).await;
        let refused = late.expect_err("a commit upon another revision must be refused");
        assert!(refused.is_conflict(), "as a conflict, got {refused:?}");
    }
    assert_eq!(done("listing users", store.users(organization).await), [ada]);
    assert_eq!(history(store, organization, None, 9).await.len(), 1, "nor leave any history");
}

async fn of_writers_who_read_the_same_one_commits<S: UserStore>(store: &S) {
    let organization = fresh_organization();
    let mut writers = Vec::new();
    for writer in 0..RACERS {
        let store = store.clone();
        writers.push(tokio::spawn(async move {
            let ada = user("ada.example", &format!("team {writer}"));
            let by = origin("root", ChangeWay::Cli);
            store.change_users(organization, 0, &by, &[change(None, Some(&ada))]).await
        }));
    }
    let mut committed = 0;
    for writer in writers {
        match writer.await.expect("a writer does not panic") {
            Ok(_) => committed += 1,
            Err(error) => assert!(error.is_conflict(), "the others must be told: {error:?}"),
        }
    }
    assert_eq!(committed, 1, "of writers who read the same revision exactly one commits");
    let entries = history(store, organization, None, 3).await;
    assert_eq!(entries.len(), 1, "and its history alone is written");
    let stored = done("listing users", store.users(organization).await);
    assert_eq!(entries[0].change.after.as_deref(), stored.first());
}

/// More than DynamoDB takes in one transaction, so that a twin with two ways goes both.
async fn large_commits_keep_their_history<S: UserStore>(store: &S) {
    const MANY: usize = 130;
    let organization = fresh_organization();
    let by = origin("root", ChangeWay::File);
    let file: Vec<_> = (0..MANY).map(|n| user(&format!("agent{n:03}"), "billing")).collect();
    let adding: Vec<_> = file.iter().map(|user| change(None, Some(user))).collect();
    let first = done("committing", store.change_users(organization, 0, &by, &adding).await);
    let removing: Vec<_> = file[1..].iter().map(|user| change(Some(user), None)).collect();
    let second = store.change_users(organization, first, &by, &removing).await;
    let second = done("committing", second);
    assert_eq!(done("listing users", store.users(organization).await), file[..1]);
    let found = store.user(organization, &file[77].agent).await;
    assert_eq!(done("finding a user", found), None, "who is removed must not be found");
    let entries = history(store, organization, None, 100).await;
    let of = |revision| entries.iter().filter(|one| one.revision == revision).count();
    assert_eq!((of(second), of(first), entries.len()), (MANY - 1, MANY, 2 * MANY - 1));
    let of_one = history(store, organization, Some(&file[77].agent), 1).await;
    let changes: Vec<_> = of_one.iter().map(|one| &one.change).collect();
    assert_eq!(changes, [&removing[76], &adding[77]]);
    let back = [change(None, Some(&file[77]))];
    done("committing", store.change_users(organization, second, &by, &back).await);
    let found = store.user(organization, &file[77].agent).await;
    assert_eq!(done("finding a user", found).as_ref(), Some(&file[77]), "and may come back");
}
