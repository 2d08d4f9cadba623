//! Organizations: each with its own settings, found, listed and removed apart from the others.

use sidetone_model::{Listen, OnHold, Organization, OrganizationId, PlatformPlace};
use sidetone_ports::OrganizationStore;

use super::done;
use crate::fresh::fresh_organization;

/// Checks an [`OrganizationStore`]. Panics where it falls short.
pub async fn organization_store<S: OrganizationStore>(store: S) {
    settings_come_back_and_are_replaced(&store).await;
    one_is_removed_and_the_other_stays(&store).await;
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
    assert!(done("removing one", store.remove_organization(first.id).await), "it was there");
    assert!(!done("removing it again", store.remove_organization(first.id).await), "it is gone");
    assert_eq!(ours().await, std::slice::from_ref(second), "the other one must stay");
    done("removing the other", store.remove_organization(second.id).await);
}
