//! Secrets of organizations: whoever changes one's leaves all others' as they are.

use sidetone_model::OrganizationId;
use sidetone_ports::{OrganizationSecrets, SecretsError, StoredClient, StoredKey};
use tokio::task::JoinSet;

use super::RACERS;
use crate::fresh::{fresh_organization, fresh_text};

/// Checks an [`OrganizationSecrets`]. Panics where it falls short.
pub async fn organization_secrets<S: OrganizationSecrets>(secrets: S) {
    each_organization_has_its_own_clients(&secrets).await;
    a_new_secret_leaves_the_last_one_good(&secrets).await;
    nobody_touches_anothers_key(&secrets).await;
    keys_of_one_organization_have_a_limit(&secrets).await;
    a_removed_organization_has_no_key_and_others_keep_theirs(&secrets).await;
    of_many_changes_at_once_none_is_lost(&secrets).await;
}

#[track_caller]
fn done<T>(what: &str, result: Result<T, SecretsError>) -> T {
    result.unwrap_or_else(|error| panic!("{what} must work, got: {error} ({error:?})"))
}

fn client(organization: OrganizationId, id: &str) -> StoredClient {
    let (client_id, client_secret) = (id.to_owned(), format!("the secret of {id}"));
    StoredClient { organization, client_id, client_secret }
}

async fn clients_of<S: OrganizationSecrets>(secrets: &S, id: OrganizationId) -> Vec<StoredClient> {
    let mut all = super::done("reading clients", secrets.clients().await);
    all.retain(|client| client.organization == id);
    all
}

async fn key<S: OrganizationSecrets>(secrets: &S, key_id: &str) -> Option<StoredKey> {
    let all = super::done("reading keys", secrets.keys().await);
    assert!(all.is_sorted_by_key(|key| key.key_id.clone()), "keys are listed in order of their id");
    all.into_iter().find(|key| key.key_id == key_id)
}

async fn each_organization_has_its_own_clients<S: OrganizationSecrets>(secrets: &S) {
    let (one, other) = (fresh_organization(), fresh_organization());
    assert_eq!(clients_of(secrets, one).await, [], "there are none at first");
    let both = vec![client(one, "b"), client(one, "a")];
    done("putting clients", secrets.replace_clients(one, both).await);
    done("another's", secrets.replace_clients(other, vec![client(other, "a")]).await);
    assert_eq!(clients_of(secrets, one).await, [client(one, "a"), client(one, "b")]);
    done("putting others", secrets.replace_clients(one, vec![client(one, "c")]).await);
    assert_eq!(clients_of(secrets, one).await, [client(one, "c")], "they must replace the first");
    done("removing them", secrets.replace_clients(one, Vec::new()).await);
    assert_eq!(clients_of(secrets, one).await, []);
    assert_eq!(clients_of(secrets, other).await, [client(other, "a")], "another's must stay");
    done("removing them", secrets.replace_clients(other, Vec::new()).await);
}

async fn a_new_secret_leaves_the_last_one_good<S: OrganizationSecrets>(secrets: &S) {
    let (own, id) = (fresh_organization(), fresh_text("key"));
    for (new, good) in
        [("one", &["one"][..]), ("two", &["two", "one"]), ("three", &["three", "two"])]
    {
        let added = done("adding a secret", secrets.add_key(own, &id, new).await);
        assert_eq!(added.secrets, good, "the newest first, and two at most");
        assert_eq!(key(secrets, &id).await.as_ref(), Some(&added), "it must be found so");
    }
    let again = done("adding it again", secrets.add_key(own, &id, "three").await);
    assert_eq!(again.secrets, ["three", "two"], "a secret that is there is not added again");
    assert_eq!(done("removing keys", secrets.remove_keys(own).await), 1);
}

async fn keys_of_one_organization_have_a_limit<S: OrganizationSecrets>(secrets: &S) {
    let (own, stranger) = (fresh_organization(), fresh_organization());
    let first = fresh_text("key");
    for number in 0..StoredKey::KEYS_PER_ORGANIZATION_MAX {
        let id = if number == 0 { first.clone() } else { fresh_text("key") };
        done("adding a key", secrets.add_key(own, &id, "secret").await);
    }
    let refused = secrets.add_key(own, &fresh_text("key"), "secret").await;
    assert!(matches!(refused, Err(SecretsError::TooManyKeys { .. })), "{refused:?}");
    done("renewing a secret at the limit", secrets.add_key(own, &first, "another").await);
    let long = "x".repeat(StoredKey::KEY_BYTES_PER_ORGANIZATION_MAX);
    let refused = secrets.add_key(stranger, &fresh_text("key"), &long).await;
    assert!(matches!(refused, Err(SecretsError::TooLongKeys { .. })), "{refused:?}");
    done("adding a key of another", secrets.add_key(stranger, &fresh_text("key"), "s").await);
    done("removing keys", secrets.remove_keys(own).await);
    done("removing keys", secrets.remove_keys(stranger).await);
}

async fn nobody_touches_anothers_key<S: OrganizationSecrets>(secrets: &S) {
    let (own, stranger, id) = (fresh_organization(), fresh_organization(), fresh_text("key"));
    let added = done("adding a key", secrets.add_key(own, &id, "secret").await);
    let refused = secrets.add_key(stranger, &id, "theirs").await;
    assert!(matches!(refused, Err(SecretsError::Taken)), "it is another's: {refused:?}");
    assert_eq!(done("removing keys", secrets.remove_keys(stranger).await), 0);
    assert_eq!(key(secrets, &id).await, Some(added), "it must stay as it was");
    assert_eq!(done("removing keys", secrets.remove_keys(own).await), 1);
}

async fn a_removed_organization_has_no_key_and_others_keep_theirs<S: OrganizationSecrets>(
    secrets: &S,
) {
    let (gone, stays) = (fresh_organization(), fresh_organization());
    let (first, second, others) = (fresh_text("key"), fresh_text("key"), fresh_text("key"));
    for (organization, id) in [(gone, &first), (gone, &second), (stays, &others)] {
        done("adding a key", secrets.add_key(organization, id, "old").await);
        done("adding a secret", secrets.add_key(organization, id, "new").await);
    }
    assert_eq!(done("removing keys", secrets.remove_keys(gone).await), 2);
    assert_eq!(done("removing them again", secrets.remove_keys(gone).await), 0);
    assert_eq!((key(secrets, &first).await, key(secrets, &second).await), (None, None));
    let kept = key(secrets, &others).await.map(|key| key.secrets);
    assert_eq!(kept, Some(vec!["new".to_owned(), "old".to_owned()]), "both of its secrets stay");
    done("removing keys", secrets.remove_keys(stays).await);
}

async fn of_many_changes_at_once_none_is_lost<S: OrganizationSecrets>(secrets: &S) {
    let organizations: Vec<OrganizationId> = (0..RACERS).map(|_| fresh_organization()).collect();
    let mut changes = JoinSet::new();
    for own in organizations.iter().copied() {
        let secrets = secrets.clone();
        changes.spawn(async move {
            let id = fresh_text("key");
            done("adding a key", secrets.add_key(own, &id, "secret").await);
            done("putting clients", secrets.replace_clients(own, vec![client(own, "a")]).await);
            (own, id)
        });
    }
    for (own, id) in changes.join_all().await {
        assert!(key(secrets, &id).await.is_some(), "a key was lost");
        assert_eq!(clients_of(secrets, own).await, [client(own, "a")], "a client was lost");
        done("removing keys", secrets.remove_keys(own).await);
        done("removing clients", secrets.replace_clients(own, Vec::new()).await);
    }
}
