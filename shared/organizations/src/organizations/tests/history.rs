//! What is kept of changes.

use sidetone_ports::SettingsEntry;

use super::*;

/// All of a history.
pub(super) const ALL: SettingsQuery = SettingsQuery { before: None, limit: 100 };

#[tokio::test]
async fn every_change_is_kept_with_who_made_it_and_no_secret() {
    let House { organizations, .. } = &house();
    let added = organizations.add(id(1), &change("a", "key-1"), &by("ann")).await.unwrap();
    let listen = Change { listen: Some(Listen::Ready), ..Change::default() };
    let changed = organizations.put(id(1), &listen, &by("bob")).await.unwrap();
    let clients = Change { key: None, ..change("a", "key-1") };
    organizations.change(id(1), &clients, &by("ann")).await.unwrap();
    organizations.remove(id(1), &by("cy")).await.unwrap();
    let page = organizations.history(id(1), &ALL).await.unwrap();
    let told = page.entries.iter().map(|SettingsEntry { revision, origin, change }| {
        (*revision, &*origin.by, change.key_set, change.clients_set)
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            (4, "cy", false, false),
            (3, "ann", false, true),
            (2, "bob", false, false),
            (1, "ann", true, true)
        ]
    );
    let [gone, _, second, first] = &page.entries[..] else { panic!("{page:?}") };
    assert_eq!((&first.change.before, &first.change.after), (&None, &Some(added.settings.clone())));
    assert_eq!(second.change.before, Some(added.settings));
    assert_eq!(second.change.after, Some(changed.settings.clone()));
    assert_eq!((&gone.change.before, &gone.change.after), (&Some(changed.settings), &None));
    let printed = format!("{page:?} {}", serde_json::to_string(&first.change).unwrap());
    for secret in ["hush", "c2Vj", "key-1"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

#[tokio::test]
async fn what_changes_nothing_is_not_kept() {
    let House { organizations, .. } = &house();
    organizations.add(id(1), &change("a", "key-1"), &by("ann")).await.unwrap();
    let same = Change { listen: Some(Listen::Matched), ..Change::default() };
    organizations.change(id(1), &same, &by("ann")).await.unwrap();
    assert_eq!(organizations.history(id(1), &ALL).await.unwrap().entries.len(), 1);
}

#[tokio::test]
async fn who_never_was_served_has_no_history() {
    let House { organizations, .. } = &house();
    let nobody = organizations.history(id(1), &ALL).await;
    assert!(matches!(nobody, Err(OrganizationsError::Unknown(_))), "{nobody:?}");
    organizations.add(id(1), &change("a", "key-1"), &by("ann")).await.unwrap();
    organizations.remove(id(1), &by("ann")).await.unwrap();
    for (before, entries) in [(None, 2), (Some(1), 0)] {
        let page = organizations.history(id(1), &SettingsQuery { before, limit: 10 }).await;
        assert_eq!(page.unwrap().entries.len(), entries, "it outlives the organization");
    }
}
