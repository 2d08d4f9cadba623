//! Others who change the same organization between a read and a write.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use super::*;

/// What somebody else makes of an organization.
type Meddling = fn(Option<Organization>) -> Option<Organization>;

/// A store in which others change an organization just before it is written.
#[derive(Debug, Clone)]
struct Crowd {
    store: Store,
    others: Arc<Mutex<VecDeque<Meddling>>>,
}

impl OrganizationStore for Crowd {
    async fn organization_revision(&self, id: OrganizationId) -> Result<Revision, StoreError> {
        self.store.organization_revision(id).await
    }

    async fn change_organization(
        &self,
        id: OrganizationId,
        expected: Revision,
        origin: &ChangeOrigin,
        change: &SettingsChange,
    ) -> Result<Revision, StoreError> {
        let other = self.others.lock().unwrap().pop_front();
        if let Some(other) = other {
            let revision = self.store.organization_revision(id).await?;
            let before = self.store.organization(id).await?;
            let after = other(before.clone());
            let theirs = SettingsChange { before, after, key_set: false, clients_set: false };
            self.store.change_organization(id, revision, &by("other"), &theirs).await?;
        }
        self.store.change_organization(id, expected, origin, change).await
    }

    async fn organization(&self, id: OrganizationId) -> Result<Option<Organization>, StoreError> {
        self.store.organization(id).await
    }

    async fn organizations(&self) -> Result<Vec<Organization>, StoreError> {
        self.store.organizations().await
    }

    async fn organization_history(
        &self,
        id: OrganizationId,
        query: &SettingsQuery,
    ) -> Result<SettingsPage, StoreError> {
        self.store.organization_history(id, query).await
    }
}

struct Crowded {
    organizations: Organizations<Crowd, SecretFiles>,
    house: House,
}

/// Others who do these things one after the other, each before one write.
fn crowded(others: impl IntoIterator<Item = Meddling>) -> Crowded {
    let house = house();
    let (store, secrets) = (house.organizations.store.clone(), house.organizations.secrets.clone());
    let others = Arc::new(Mutex::new(others.into_iter().collect()));
    Crowded { organizations: Organizations::new(Crowd { store, others }, secrets), house }
}

fn queues(before: Option<Organization>) -> Option<Organization> {
    before.map(|one| Organization { queues: vec!["theirs".to_owned()], ..one })
}

fn days(before: Option<Organization>) -> Option<Organization> {
    before.map(|one| Organization { retention_days: Some(90), ..one })
}

fn more_queues(before: Option<Organization>) -> Option<Organization> {
    before.map(|mut one| {
        one.queues.push("theirs".to_owned());
        one
    })
}

fn removed(_: Option<Organization>) -> Option<Organization> {
    None
}

fn added(_: Option<Organization>) -> Option<Organization> {
    change("theirs", "key").over(id(1), None).ok()
}

#[tokio::test]
async fn of_those_who_change_one_at_once_none_loses_what_was_named() {
    let Crowded { organizations, house } = &crowded([queues as Meddling, days]);
    house.organizations.add(id(1), &change("a", "key-1"), &by("ann")).await.unwrap();
    let listen = Change { listen: Some(Listen::Always), ..change("b", "key-2") };
    let changed = organizations.change(id(1), &listen, &by("ann")).await.unwrap();
    let settings = &changed.settings;
    assert_eq!((settings.listen, settings.retention_days), (Listen::Always, Some(90)));
    assert_eq!(settings.queues, ["theirs"]);
    assert_eq!(
        (&settings.client_ids[..], &changed.with_secret[..]),
        (&["b".into()][..], &["b".into()][..])
    );
    assert_eq!(house.organizations.show(id(1)).await.unwrap(), changed);
    let put = Change { on_hold: Some(OnHold::Pause), ..Change::default() };
    organizations.store.others.lock().unwrap().push_back(more_queues);
    let put = organizations.put(id(1), &put, &by("ann")).await.unwrap().settings;
    assert_eq!((put.on_hold, put.listen), (OnHold::Pause, Listen::Always));
    assert_eq!(put.queues, ["theirs", "theirs"]);
}

#[tokio::test]
async fn of_two_who_add_one_at_once_one_does() {
    let Crowded { organizations, house } = &crowded([added as Meddling]);
    let late = organizations.add(id(1), &change("a", "key-1"), &by("ann")).await;
    assert!(matches!(late, Err(OrganizationsError::Exists(_))), "{late:?}");
    let stands = house.organizations.show(id(1)).await.unwrap();
    assert_eq!(stands.settings.client_ids, ["theirs"]);
}

#[tokio::test]
async fn one_that_is_removed_meanwhile_is_not_brought_back_and_keeps_no_secret() {
    for put in [false, true] {
        let Crowded { organizations, house } = &crowded([removed as Meddling]);
        house.organizations.add(id(1), &change("a", "key-1"), &by("ann")).await.unwrap();
        let secrets = Change { place: None, ..change("b", "key-2") };
        let late = if put {
            organizations.put(id(1), &secrets, &by("ann")).await
        } else {
            organizations.change(id(1), &secrets, &by("ann")).await
        };
        match late {
            Err(OrganizationsError::Field { field: "region", .. }) if put => {}
            Err(OrganizationsError::Unknown(_)) if !put => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(organizations.list().await.unwrap(), []);
        let secrets = &house.organizations.secrets;
        assert!(secrets.keys().await.unwrap().is_empty(), "its key must be good no longer");
        assert!(secrets.clients().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn one_that_is_changed_while_it_is_removed_is_removed() {
    let Crowded { organizations, house } = &crowded([queues as Meddling]);
    house.organizations.add(id(1), &change("a", "key-1"), &by("ann")).await.unwrap();
    let gone = organizations.remove(id(1), &by("ann")).await.unwrap();
    assert_eq!(gone, Removed { keys: 1, clients: 1 });
    let history = house.organizations.history(id(1), &super::history::ALL).await.unwrap();
    assert_eq!(history.entries[0].change.before.as_ref().unwrap().queues, ["theirs"]);
    assert_eq!(organizations.list().await.unwrap(), []);
}

#[tokio::test]
async fn whoever_finds_others_first_every_time_is_told_so() {
    let Crowded { organizations, house } = &crowded([more_queues as Meddling; 100]);
    house.organizations.add(id(1), &change("a", "key-1"), &by("ann")).await.unwrap();
    let listen = Change { listen: Some(Listen::Always), ..Change::default() };
    let crowded = organizations.change(id(1), &listen, &by("ann")).await;
    assert!(matches!(crowded, Err(OrganizationsError::Crowded(_))), "{crowded:?}");
    let crowded = organizations.remove(id(1), &by("ann")).await;
    assert!(matches!(crowded, Err(OrganizationsError::Crowded(_))), "{crowded:?}");
    let stands = house.organizations.show(id(1)).await.unwrap().settings;
    assert_eq!((stands.listen, stands.queues.len()), (Listen::Matched, 2 * TRIES_MAX));
}
