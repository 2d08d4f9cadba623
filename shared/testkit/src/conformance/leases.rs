//! Leases: one holder at a time, and a holder that lost one is told how.

use std::time::Duration;

use sidetone_ports::{Claim, Fence, LeaseBeat, LeaseStore, Renewal};

use super::{RACERS, done};
use crate::fresh::fresh_text;

const LIFE: Duration = Duration::from_secs(30);

/// Checks a [`LeaseStore`]. Panics where it falls short.
pub async fn leases<S: LeaseStore>(store: S) {
    a_held_lease_is_refused_to_others(&store).await;
    of_two_who_come_at_once_one_gets_it(&store).await;
    an_offered_lease_is_handed_over(&store).await;
    an_offer_may_be_withdrawn(&store).await;
    of_many_who_are_offered_it_one_gets_it(&store).await;
    a_silent_lease_is_taken_and_its_holder_told(&store).await;
    a_lease_that_moved_since_it_was_seen_is_not_taken(&store).await;
    a_released_lease_is_free_and_its_fence_grows(&store).await;
    a_past_fence_does_nothing(&store).await;
    names_are_apart(&store).await;
}

async fn acquire<S: LeaseStore>(
    store: &S,
    name: &str,
    holder: &str,
    silent: Option<LeaseBeat>,
) -> Claim {
    done("acquiring a lease", store.acquire(name, holder, LIFE, silent).await)
}

/// Takes a lease that must be to be had.
async fn hold<S: LeaseStore>(
    store: &S,
    name: &str,
    holder: &str,
    silent: Option<LeaseBeat>,
) -> Fence {
    match acquire(store, name, holder, silent).await {
        Claim::Granted(fence) => fence,
        Claim::Held(found) => panic!("{holder} must get the lease {name}, found {found:?}"),
    }
}

/// Asks for a lease that another must hold, and returns how it was found.
async fn found<S: LeaseStore>(store: &S, name: &str, why: &str) -> LeaseBeat {
    match acquire(store, name, "asker", None).await {
        Claim::Held(found) => found,
        Claim::Granted(fence) => panic!("{why}: the asker got the lease, fence {fence}"),
    }
}

async fn renew<S: LeaseStore>(
    store: &S,
    name: &str,
    holder: &str,
    fence: Fence,
    offered: bool,
) -> Renewal {
    done("renewing a lease", store.renew(name, holder, fence, LIFE, offered).await)
}

async fn a_held_lease_is_refused_to_others<S: LeaseStore>(store: &S) {
    let name = fresh_text("lease");
    let unknown = renew(store, &name, "one", 1, false).await;
    assert_eq!(unknown, Renewal::Lost, "a lease that was never held has no holder");
    let fence = hold(store, &name, "one", None).await;
    assert!(fence > 0, "a fence is at least 1");
    let first = found(store, &name, "what one holds two must not get").await;
    assert_eq!((first.fence, first.life), (fence, LIFE), "and is told whose it is");
    assert_eq!(found(store, &name, "nor later").await, first, "an asker moves no beat");
    assert_eq!(renew(store, &name, "one", fence, false).await, Renewal::Held);
    let second = found(store, &name, "a renewal keeps it").await;
    assert!(second.fence == fence && second.beat > first.beat, "a renewal moves the beat");
    let again = hold(store, &name, "one", None).await;
    assert!(again > fence, "a holder that asks again, not knowing, gets it anew");
}

async fn of_two_who_come_at_once_one_gets_it<S: LeaseStore>(store: &S) {
    let name = fresh_text("lease");
    assert_eq!(winners(store, &name, None).await.len(), 1, "of {RACERS} exactly one must get it");
    let silent = Some(found(store, &name, "it is held").await);
    assert_eq!(
        winners(store, &name, silent).await.len(),
        1,
        "of {RACERS} observers exactly one must get what is silent"
    );
}

/// Lets many ask at once and returns who got it.
async fn winners<S: LeaseStore>(
    store: &S,
    name: &str,
    silent: Option<LeaseBeat>,
) -> Vec<(String, Fence)> {
    let mut racers = Vec::new();
    for _ in 0..RACERS {
        let (store, name, holder) = (store.clone(), name.to_owned(), fresh_text("holder"));
        racers.push(tokio::spawn(async move {
            let claim = acquire(&store, &name, &holder, silent).await;
            (holder, claim)
        }));
    }
    let mut winners = Vec::new();
    for racer in racers {
        match racer.await.expect("a racer does not panic") {
            (holder, Claim::Granted(fence)) => winners.push((holder, fence)),
            (_, Claim::Held(_)) => {}
        }
    }
    winners
}

async fn an_offered_lease_is_handed_over<S: LeaseStore>(store: &S) {
    let name = fresh_text("lease");
    let first = hold(store, &name, "one", None).await;
    let offered = renew(store, &name, "one", first, true).await;
    assert_eq!(offered, Renewal::Held, "an offer leaves the lease with its holder");
    let still = renew(store, &name, "one", first, true).await;
    assert_eq!(still, Renewal::Held, "until another takes it");
    let second = hold(store, &name, "two", None).await;
    assert!(second > first, "fences must grow, got {second} after {first}");
    let over = renew(store, &name, "one", first, true).await;
    assert_eq!(over, Renewal::HandedOver, "the holder that offered must learn that it was taken");
    found(store, &name, "an offer is taken once").await;
    let held = renew(store, &name, "two", second, false).await;
    assert_eq!(held, Renewal::Held, "the new holder holds it");
}

async fn an_offer_may_be_withdrawn<S: LeaseStore>(store: &S) {
    let name = fresh_text("lease");
    let fence = hold(store, &name, "one", None).await;
    renew(store, &name, "one", fence, true).await;
    renew(store, &name, "one", fence, false).await;
    found(store, &name, "what is not offered is not taken").await;
}

async fn of_many_who_are_offered_it_one_gets_it<S: LeaseStore>(store: &S) {
    let name = fresh_text("lease");
    let fence = hold(store, &name, "one", None).await;
    renew(store, &name, "one", fence, true).await;
    assert_eq!(winners(store, &name, None).await.len(), 1, "of {RACERS} one must take the offer");
}

async fn a_silent_lease_is_taken_and_its_holder_told<S: LeaseStore>(store: &S) {
    let name = fresh_text("lease");
    let first = hold(store, &name, "one", None).await;
    let silent = found(store, &name, "a lease is held").await;
    let second = hold(store, &name, "two", Some(silent)).await;
    assert!(second > first, "fences must grow, got {second} after {first}");
    let lost = renew(store, &name, "one", first, false).await;
    assert_eq!(lost, Renewal::Lost, "a holder that was silent has lost it, and was not relieved");
    let held = renew(store, &name, "two", second, false).await;
    assert_eq!(held, Renewal::Held, "what the loser asked for must change nothing");
}

async fn a_lease_that_moved_since_it_was_seen_is_not_taken<S: LeaseStore>(store: &S) {
    let name = fresh_text("lease");
    let fence = hold(store, &name, "one", None).await;
    let seen = found(store, &name, "a lease is held").await;
    assert_eq!(renew(store, &name, "one", fence, false).await, Renewal::Held);
    let moved = Claim::Held(found(store, &name, "a lease is held").await);
    assert_eq!(acquire(store, &name, "two", Some(seen)).await, moved, "its holder lives");
    let third = hold(store, &name, "one", None).await;
    renew(store, &name, "one", third, false).await;
    let other = LeaseBeat { fence, ..found(store, &name, "it is held under another fence").await };
    let claim = acquire(store, &name, "two", Some(other)).await;
    assert!(matches!(claim, Claim::Held(_)), "the same beat of another fence is another");
}

async fn a_released_lease_is_free_and_its_fence_grows<S: LeaseStore>(store: &S) {
    let name = fresh_text("lease");
    let first = hold(store, &name, "one", None).await;
    done("releasing", store.release(&name, "one", first).await);
    done("releasing twice", store.release(&name, "one", first).await);
    let lost = renew(store, &name, "one", first, false).await;
    assert_eq!(lost, Renewal::Lost, "what was given back is not held");
    let second = hold(store, &name, "two", None).await;
    assert!(second > first, "a fence must grow over a release, got {second} after {first}");
}

async fn a_past_fence_does_nothing<S: LeaseStore>(store: &S) {
    let name = fresh_text("lease");
    let first = hold(store, &name, "one", None).await;
    done("releasing", store.release(&name, "one", first).await);
    let second = hold(store, &name, "one", None).await;
    done("releasing with a past fence", store.release(&name, "one", first).await);
    done("releasing for another", store.release(&name, "two", second).await);
    found(store, &name, "only the holder under its own fence gives a lease back").await;
    let past = renew(store, &name, "one", first, true).await;
    assert_eq!(past, Renewal::Lost, "a past fence is not the holder's");
    found(store, &name, "and offers nothing").await;
}

async fn names_are_apart<S: LeaseStore>(store: &S) {
    hold(store, &fresh_text("lease"), "one", None).await;
    hold(store, &fresh_text("lease"), "two", None).await;
}
