//! Who is alive.

use std::time::Duration;

use sidetone_model::{OwnerId, Timestamp};
use sidetone_ports::OwnerStore;

use super::{done, present};
use crate::fresh::fresh_owner;

/// Checks an [`OwnerStore`]. Panics where it falls short.
pub async fn owner_store<S: OwnerStore>(store: S) {
    let (one, two, now) = (fresh_owner(), fresh_owner(), present());
    let soon = now + Duration::from_secs(5);
    assert_eq!(until(&store, &one).await, None, "who never beat is not known");
    done("beating", store.beat(&one, now).await);
    done("beating", store.beat(&two, now).await);
    done("beating again", store.beat(&one, soon).await);
    assert_eq!(until(&store, &one).await, Some(soon), "the last word counts");
    assert_eq!(until(&store, &two).await, Some(now), "a lapsed owner is still told of");
    done("removing an owner", store.remove_owner(&one).await);
    done("removing an owner twice", store.remove_owner(&one).await);
    assert_eq!(until(&store, &one).await, None, "who was removed is forgotten");
    assert_eq!(until(&store, &two).await, Some(now), "and nobody else is");
    done("removing an owner", store.remove_owner(&two).await);
}

async fn until<S: OwnerStore>(store: &S, owner: &OwnerId) -> Option<Timestamp> {
    let leases = done("reading the owners", store.owners().await);
    let mut found = leases.into_iter().filter(|lease| lease.owner == *owner);
    let lease = found.next().map(|lease| lease.until);
    assert!(found.next().is_none(), "{owner} must be listed once");
    lease
}
