//! Organizations: each with its own settings, found, listed, changed and removed apart from the
//! others, only upon what its writer read, and with its history.

use sidetone_model::{Listen, OnHold, Organization, OrganizationId, PlatformPlace};
use sidetone_ports::{
    ChangeOrigin, ChangeWay, OrganizationStore, Revision, SettingsChange, SettingsEntry,
    SettingsQuery, StoreError,
};
use tokio::task::JoinSet;

use super::{RACERS, done, present};
use crate::fresh::fresh_organization;

/// Checks an [`OrganizationStore`]. Panics where it falls short.
pub async fn organization_store<S: OrganizationStore>(store: S) {
    settings_come_back_and_are_replaced(&store).await;
    one_is_removed_and_the_other_stays(&store).await;
    a_change_comes_with_its_history_which_outlives_the_organization(&store).await;
    a_change_upon_what_is_no_longer_so_changes_nothing(&store).await;
    of_writers_who_read_the_same_one_is_first(&store).await;
    history_is_told_in_pages_and_to_nobody_else(&store).await;
}

fn settings(id: OrganizationId) -> Organization {
    Organization {
        id,
        platform: PlatformPlace::Region("usw2".to_owned()),
        client_ids: vec!["first".to_owned(), "second".to_owned()],
        listen: Listen::Ready,
        on_hold: OnHold::Pause,
        queues: vec!["Billing".to_owned()],
        retention_days: Some(30),
    }
}

fn kept_for(days: u16, id: OrganizationId) -> Organization {
    Organization { retention_days: Some(days), ..settings(id) }
}

fn origin(by: &str) -> ChangeOrigin {
    ChangeOrigin { at: present(), by: by.to_owned(), way: ChangeWay::Api }
}

fn change(before: Option<&Organization>, after: Option<&Organization>) -> SettingsChange {
    let (before, after) = (before.cloned(), after.cloned());
    SettingsChange { before, after, key_set: false, clients_set: false }
}

/// Changes an organization from what it is.
async fn changed<S: OrganizationStore>(
    store: &S,
    id: OrganizationId,
    after: Option<&Organization>,
) -> Revision {
    let expected = done("reading a revision", store.organization_revision(id).await);
    let before = done("finding an organization", store.organization(id).await);
    let change = change(before.as_ref(), after);
    let changed = store.change_organization(id, expected, &origin("ann"), &change).await;
    done("changing an organization", changed)
}

async fn history<S: OrganizationStore>(store: &S, id: OrganizationId) -> Vec<SettingsEntry> {
    let query = SettingsQuery { before: None, limit: 100 };
    let page = done("reading a history", store.organization_history(id, &query).await);
    assert_eq!(page.next, None, "that is all of it");
    page.entries
}

async fn settings_come_back_and_are_replaced<S: OrganizationStore>(store: &S) {
    let own = settings(fresh_organization());
    let found = done("finding an organization", store.organization(own.id).await);
    assert_eq!(found, None, "nobody is served at first");
    done("putting an organization", store.put_organization(&own).await);
    let found = done("finding an organization", store.organization(own.id).await);
    assert_eq!(found.as_ref(), Some(&own), "settings must come back as they were put");
    let hosts = PlatformPlace::Hosts {
        login: "http://127.0.0.1:1".to_owned(),
        api: "http://127.0.0.1:2".to_owned(),
    };
    let changed = Organization { platform: hosts, listen: Listen::Always, ..own.clone() };
    done("putting it again", store.put_organization(&changed).await);
    let found = done("finding it again", store.organization(own.id).await);
    assert_eq!(found, Some(changed), "putting an organization again must replace it");
}

async fn one_is_removed_and_the_other_stays<S: OrganizationStore>(store: &S) {
    let mut both = [settings(fresh_organization()), settings(fresh_organization())];
    both.sort_by_key(|one| one.id);
    for one in &both {
        done("putting an organization", store.put_organization(one).await);
    }
    let ours = async || {
        let all = done("listing organizations", store.organizations().await);
        assert!(
            all.is_sorted_by_key(|one| one.id),
            "organizations are listed in order of their id"
        );
        all.into_iter().filter(|one| both.contains(one)).collect::<Vec<_>>()
    };
    assert_eq!(ours().await, both, "all organizations must be listed");
    let [first, second] = &both;
    changed(store, first.id, None).await;
    let found = done("finding the removed one", store.organization(first.id).await);
    assert_eq!(found, None, "it is gone");
    assert_eq!(ours().await, std::slice::from_ref(second), "the other one must stay");
    changed(store, second.id, None).await;
}

async fn a_change_comes_with_its_history_which_outlives_the_organization<S: OrganizationStore>(
    store: &S,
) {
    let id = fresh_organization();
    let revision = done("reading a revision", store.organization_revision(id).await);
    assert_eq!((revision, history(store, id).await), (0, Vec::new()), "nothing was changed yet");
    let (first, second) = (settings(id), kept_for(90, id));
    let changes = [
        SettingsChange { key_set: true, clients_set: true, ..change(None, Some(&first)) },
        SettingsChange { key_set: true, ..change(Some(&first), Some(&second)) },
        change(Some(&second), None),
        change(None, Some(&first)),
    ];
    let mut expected = Vec::new();
    for ((change, by), revision) in changes.into_iter().zip(["ann", "bob", "ann", "cy"]).zip(0..) {
        let origin = origin(by);
        let written = store.change_organization(id, revision, &origin, &change).await;
        assert_eq!(done("changing an organization", written), revision + 1);
        let found = done("finding an organization", store.organization(id).await);
        assert_eq!(found, change.after, "a change is seen at once");
        let read = done("reading a revision", store.organization_revision(id).await);
        assert_eq!(read, revision + 1, "each change counts, also of one that was removed");
        expected.insert(0, SettingsEntry { revision: revision + 1, origin, change });
        assert_eq!(history(store, id).await, expected, "everything is kept, the newest first");
    }
    changed(store, id, None).await;
}

async fn a_change_upon_what_is_no_longer_so_changes_nothing<S: OrganizationStore>(store: &S) {
    let id = fresh_organization();
    let (first, second, third) = (settings(id), kept_for(90, id), kept_for(365, id));
    changed(store, id, Some(&first)).await;
    changed(store, id, Some(&second)).await;
    let before = history(store, id).await;
    for (expected, change, why) in [
        (0, change(None, Some(&third)), "it is there already"),
        (1, change(Some(&first), Some(&third)), "somebody was first"),
        (1, change(Some(&first), None), "what is removed must be what was read"),
        (3, change(Some(&second), Some(&third)), "there was no such change yet"),
    ] {
        let refused = store.change_organization(id, expected, &origin("bob"), &change).await;
        let Err(StoreError::Conflict { expected: told, .. }) = refused else {
            panic!("{why}, but: {refused:?}");
        };
        assert_eq!(told, expected);
        let found = done("finding an organization", store.organization(id).await);
        assert_eq!(found.as_ref(), Some(&second), "what is refused must change nothing");
        assert_eq!(history(store, id).await, before, "nor must it be kept");
    }
    changed(store, id, None).await;
    // Whoever read it before it was removed may neither change it nor bring it back.
    let late = change(Some(&second), Some(&third));
    let refused = store.change_organization(id, 2, &origin("bob"), &late).await;
    assert!(refused.is_err_and(|error| error.is_conflict()), "it was removed meanwhile");
    let found = done("finding an organization", store.organization(id).await);
    assert_eq!(found, None, "it must stay removed");
}

async fn of_writers_who_read_the_same_one_is_first<S: OrganizationStore>(store: &S) {
    let id = fresh_organization();
    // At first they add it, then they change it.
    for round in 0..2 {
        let before = done("finding an organization", store.organization(id).await);
        let mut writers = JoinSet::new();
        for (days, _) in Organization::RETENTION_DAYS.into_iter().zip(0..RACERS) {
            let (store, before) = (store.clone(), before.clone());
            writers.spawn(async move {
                let after = kept_for(days, id);
                let change = change(before.as_ref(), Some(&after));
                match store.change_organization(id, round, &origin("ann"), &change).await {
                    Ok(_) => Some(after),
                    Err(error) if error.is_conflict() => None,
                    Err(error) => panic!("changing an organization must work: {error:?}"),
                }
            });
        }
        let first: Vec<_> = writers.join_all().await.into_iter().flatten().collect();
        let [first] = &first[..] else { panic!("exactly one must be first, not {first:?}") };
        let found = done("finding an organization", store.organization(id).await);
        assert_eq!(found.as_ref(), Some(first), "it is as the first one wanted it");
        let kept = history(store, id).await;
        assert_eq!((kept.len() as u64, kept[0].change.after.as_ref()), (round + 1, Some(first)));
    }
    changed(store, id, None).await;
}

async fn history_is_told_in_pages_and_to_nobody_else<S: OrganizationStore>(store: &S) {
    let (own, other) = (fresh_organization(), fresh_organization());
    changed(store, other, Some(&settings(other))).await;
    for days in [7, 30, 90, 180, 365] {
        changed(store, own, Some(&kept_for(days, own))).await;
    }
    let page = async |before, limit| {
        let query = SettingsQuery { before, limit };
        let page = done("reading a history", store.organization_history(own, &query).await);
        let own =
            |entry: &SettingsEntry| entry.change.after.as_ref().map(|one| one.id) == Some(own);
        assert!(page.entries.iter().all(own), "another's history must not be seen");
        let revisions: Vec<_> = page.entries.iter().map(|entry| entry.revision).collect();
        (revisions, page.next)
    };
    assert_eq!(page(None, 2).await, (vec![5, 4], Some(4)));
    assert_eq!(page(Some(4), 2).await, (vec![3, 2], Some(2)));
    assert_eq!(page(Some(2), 2).await, (vec![1], None));
    assert_eq!(page(None, 5).await, (vec![5, 4, 3, 2, 1], None));
    assert_eq!(page(Some(1), 5).await, (vec![], None));
    assert_eq!(history(store, other).await.len(), 1);
    changed(store, own, None).await;
    changed(store, other, None).await;
}
