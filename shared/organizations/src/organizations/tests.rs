//! Organizations on a data directory.

use sidetone_model::{Listen, OnHold, PlatformPlace, Timestamp};
use sidetone_ports::{ChangeWay, SecretsError};
use sidetone_ports_embedded::{DataDir, SecretFiles, Store};

use super::*;
use crate::change::{NewClient, NewKey};

mod at_once;
mod history;

const KEY_SECRET: &str = "c2VjcmV0LXNlY3JldC1zZWNyZXQ=";

struct House {
    organizations: Organizations<Store, SecretFiles>,
    _directory: tempfile::TempDir,
}

fn house() -> House {
    let directory = tempfile::tempdir().unwrap();
    let data = DataDir::open(directory.path()).unwrap();
    let secrets = SecretFiles::open(&data).unwrap();
    let organizations = Organizations::new(Store::in_memory().unwrap(), secrets);
    House { organizations, _directory: directory }
}

fn id(number: u32) -> OrganizationId {
    format!("00000000-0000-4000-8000-{number:012}").parse().unwrap()
}

fn change(client: &str, key: &str) -> Change {
    Change {
        place: Some(PlatformPlace::Region("usw2".to_owned())),
        clients: Some(vec![NewClient { id: client.to_owned(), secret: "hush".to_owned() }]),
        key: Some(NewKey { id: key.to_owned(), secret: KEY_SECRET.to_owned() }),
        ..Change::default()
    }
}

fn by(name: &str) -> ChangeOrigin {
    ChangeOrigin { at: Timestamp::default(), by: name.to_owned(), way: ChangeWay::Cli }
}

#[tokio::test]
async fn what_is_not_said_stays_and_no_secret_comes_back() {
    let House { organizations, .. } = &house();
    let added = organizations.add(id(1), &change("a", "key-1"), &by("ann")).await.unwrap();
    assert_eq!(
        (added.settings.listen, &added.with_secret[..]),
        (Listen::Matched, &["a".into()][..])
    );
    let more = Change { listen: Some(Listen::Ready), ..Change::default() };
    let changed = organizations.change(id(1), &more, &by("ann")).await.unwrap();
    assert_eq!((changed.settings.listen, changed.settings.on_hold), (Listen::Ready, OnHold::Keep));
    assert_eq!(changed.keys, added.keys);
    for (said, kept) in [(90, Some(90)), (0, None)] {
        let days = Change { retention_days: Some(said), ..Change::default() };
        let changed = organizations.change(id(1), &days, &by("ann")).await.unwrap();
        assert_eq!(changed.settings.retention_days, kept);
    }
    assert_eq!(organizations.show(id(1)).await.unwrap(), changed);
    let printed = format!("{changed:?} {:?}", change("a", "key-1"));
    for secret in ["hush", "c2Vj", "key-1"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

#[tokio::test]
async fn one_organization_does_nothing_to_another() {
    let House { organizations, .. } = &house();
    let first = organizations.add(id(1), &change("a", "key-1"), &by("ann")).await.unwrap();
    let taken = organizations.add(id(2), &change("a", "key-1"), &by("bob")).await;
    assert!(matches!(taken, Err(OrganizationsError::Secrets(SecretsError::Taken))), "{taken:?}");
    let unknown = organizations.show(id(2)).await;
    assert!(matches!(unknown, Err(OrganizationsError::Unknown(_))), "{unknown:?}");
    organizations.add(id(2), &change("a", "key-2"), &by("bob")).await.unwrap();
    let removed = organizations.remove(id(2), &by("bob")).await.unwrap();
    assert_eq!(removed, Removed { keys: 1, clients: 1 });
    assert_eq!(organizations.list().await.unwrap(), [first]);
    let again = organizations.remove(id(2), &by("bob")).await;
    assert!(matches!(again, Err(OrganizationsError::Unknown(_))), "{again:?}");
}

#[tokio::test]
async fn what_cannot_be_is_refused_by_its_field_and_nothing_is_written() {
    let House { organizations, .. } = &house();
    let usual = change("a", "key-1");
    let client =
        |id: &str, secret: &str| NewClient { id: id.to_owned(), secret: secret.to_owned() };
    let clients = |clients: Vec<NewClient>| Change { clients: Some(clients), ..usual.clone() };
    let key = |id: &str, secret: &str| Change {
        key: Some(NewKey { id: id.to_owned(), secret: secret.to_owned() }),
        ..usual.clone()
    };
    let place = |place| Change { place, ..usual.clone() };
    let hosts = PlatformPlace::Hosts { login: "http://evil.example".into(), api: "".into() };
    for (bad, field) in [
        (place(None), "region"),
        (place(Some(PlatformPlace::Region("usw2.evil.example".into()))), "region"),
        (place(Some(hosts)), "hosts"),
        (clients(vec![client("a", "x"), client("a", "y")]), "clients"),
        (clients(vec![client("", "x")]), "clients"),
        (clients(vec![client("a", "x\ny")]), "clients"),
        (clients((0..21).map(|n| client(&n.to_string(), "x")).collect()), "clients"),
        (key("no blanks", KEY_SECRET), "key"),
        (key("key-1", "not base64!"), "key"),
        (key("key-1", "QQ=="), "key"),
        (key("key-1", "MTUtYnl0ZXMtbG9uZy4u"), "key"),
        (Change { queues: Some(vec![" ".into()]), ..usual.clone() }, "queues"),
        (Change { queues: Some(vec!["q".repeat(500); 200]), ..usual.clone() }, "queues"),
        (Change { retention_days: Some(31), ..usual.clone() }, "retention_days"),
    ] {
        let refused = organizations.add(id(1), &bad, &by("ann")).await;
        let Err(OrganizationsError::Field { field: named, .. }) = &refused else {
            panic!("{field}: {refused:?}");
        };
        assert_eq!(*named, field);
    }
    assert_eq!(organizations.list().await.unwrap(), []);
    let (store, secrets) = (&organizations.store, &organizations.secrets);
    assert_eq!(store.organizations().await.unwrap(), []);
    assert!(
        secrets.keys().await.unwrap().is_empty() && secrets.clients().await.unwrap().is_empty()
    );
}
