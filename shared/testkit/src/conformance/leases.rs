//! Leases: one holder at a time, and whoever lost one is told how.

use std::time::Duration;

use sidetone_model::Timestamp;
use sidetone_ports::{Fence, LeaseStore, Renewal};

use super::{RACERS, done, present};
use crate::fresh::fresh_text;

const MINUTE: Duration = Duration::from_secs(60);

/// Checks a [`LeaseStore`]. Panics where it falls short.
pub async fn leases<S: LeaseStore>(store: S) {
    a_held_lease_is_refused_to_others(&store).await;
    of_two_who_come_at_once_one_gets_it(&store).await;
    an_offered_lease_is_handed_over(&store).await;
    an_offer_may_be_withdrawn(&store).await;
    of_many_who_are_offered_it_one_gets_it(&store).await;
    a_lapsed_lease_is_taken_and_its_holder_told(&store).await;
    a_lapsed_lease_that_nobody_took_is_renewed(&store).await;
    a_released_lease_is_free_and_its_fence_grows(&store).await;
    a_past_fence_does_nothing(&store).await;
    names_are_apart(&store).await;
}

async fn acquire<S: LeaseStore>(
    store: &S,
    name: &str,
    holder: &str,
    now: Timestamp,
) -> Option<Fence> {
    done("acquiring a lease", store.acquire(name, holder, now + MINUTE, now).await)
}

async fn hold<S: LeaseStore>(store: &S, name: &str, holder: &str, now: Timestamp) -> Fence {
    match acquire(store, name, holder, now).await {
        Some(fence) => fence,
        None => panic!("{holder} must get the lease {name}"),
    }
}

async fn renew<S: LeaseStore>(
    store: &S,
    name: &str,
    holder: &str,
    fence: Fence,
    until: Timestamp,
    offered: bool,
) -> Renewal {
    done("renewing a lease", store.renew(name, holder, fence, until, offered).await)
}

async fn a_held_lease_is_refused_to_others<S: LeaseStore>(store: &S) {
    let (name, now) = (fresh_text("lease"), present());
    let unknown = renew(store, &name, "one", 1, now + MINUTE, false).await;
    assert_eq!(unknown, Renewal::Lost, "a lease that nobody ever held is nobody's");
    let fence = hold(store, &name, "one", now).await;
    assert!(fence > 0, "a fence is at least 1");
    assert_eq!(acquire(store, &name, "two", now).await, None, "what one holds two must not get");
    let held = renew(store, &name, "one", fence, now + MINUTE * 3, false).await;
    assert_eq!(held, Renewal::Held, "the holder may go on");
    assert_eq!(
        acquire(store, &name, "two", now + MINUTE * 2).await,
        None,
        "a renewal must count from then on"
    );
    let again = hold(store, &name, "one", now).await;
    assert!(again > fence, "a holder that asks again, not knowing, gets it anew");
}

async fn of_two_who_come_at_once_one_gets_it<S: LeaseStore>(store: &S) {
    let (name, now) = (fresh_text("lease"), present());
    assert_eq!(winners(store, &name, now).await.len(), 1, "of {RACERS} exactly one must get it");
    let later = now + MINUTE * 2;
    assert_eq!(
        winners(store, &name, later).await.len(),
        1,
        "of {RACERS} exactly one must get what has lapsed"
    );
}

/// Lets many ask at once and returns who got it.
async fn winners<S: LeaseStore>(store: &S, name: &str, now: Timestamp) -> Vec<(String, Fence)> {
    let mut racers = Vec::new();
    for _ in 0..RACERS {
        let (store, name, holder) = (store.clone(), name.to_owned(), fresh_text("holder"));
        racers.push(tokio::spawn(async move {
            let fence = acquire(&store, &name, &holder, now).await;
            (holder, fence)
        }));
    }
    let mut winners = Vec::new();
    for racer in racers {
        let (holder, fence) = racer.await.expect("a racer does not panic");
        winners.extend(fence.map(|fence| (holder, fence)));
    }
    winners
}

async fn an_offered_lease_is_handed_over<S: LeaseStore>(store: &S) {
    let (name, now) = (fresh_text("lease"), present());
    let first = hold(store, &name, "one", now).await;
    let offered = renew(store, &name, "one", first, now + MINUTE, true).await;
    assert_eq!(offered, Renewal::Held, "an offer leaves the lease with its holder");
    let still = renew(store, &name, "one", first, now + MINUTE, true).await;
    assert_eq!(still, Renewal::Held, "until another takes it");
    let second = hold(store, &name, "two", now).await;
    assert!(second > first, "fences must grow, got {second} after {first}");
    let over = renew(store, &name, "one", first, now + MINUTE, true).await;
    assert_eq!(over, Renewal::HandedOver, "who offered must learn that it was taken");
    assert_eq!(acquire(store, &name, "three", now).await, None, "an offer is taken once");
    let held = renew(store, &name, "two", second, now + MINUTE, false).await;
    assert_eq!(held, Renewal::Held, "the new holder holds it");
}

async fn an_offer_may_be_withdrawn<S: LeaseStore>(store: &S) {
    let (name, now) = (fresh_text("lease"), present());
    let fence = hold(store, &name, "one", now).await;
    renew(store, &name, "one", fence, now + MINUTE, true).await;
    renew(store, &name, "one", fence, now + MINUTE, false).await;
    assert_eq!(acquire(store, &name, "two", now).await, None, "what is not offered is not taken");
}

async fn of_many_who_are_offered_it_one_gets_it<S: LeaseStore>(store: &S) {
    let (name, now) = (fresh_text("lease"), present());
    let fence = hold(store, &name, "one", now).await;
    renew(store, &name, "one", fence, now + MINUTE, true).await;
    assert_eq!(winners(store, &name, now).await.len(), 1, "of {RACERS} one must take the offer");
}

async fn a_lapsed_lease_is_taken_and_its_holder_told<S: LeaseStore>(store: &S) {
    let (name, now) = (fresh_text("lease"), present());
    let first = hold(store, &name, "one", now).await;
    assert_eq!(
        acquire(store, &name, "two", now + MINUTE - Duration::from_millis(1)).await,
        None,
        "a lease is held to its end"
    );
    let second = hold(store, &name, "two", now + MINUTE).await;
    assert!(second > first, "fences must grow, got {second} after {first}");
    let lost = renew(store, &name, "one", first, now + MINUTE * 5, false).await;
    assert_eq!(lost, Renewal::Lost, "who let it lapse has lost it, and was not relieved");
    let held = renew(store, &name, "two", second, now + MINUTE * 5, false).await;
    assert_eq!(held, Renewal::Held, "what the loser asked for must change nothing");
}

async fn a_lapsed_lease_that_nobody_took_is_renewed<S: LeaseStore>(store: &S) {
    let (name, now) = (fresh_text("lease"), present());
    let fence = done("acquiring", store.acquire(&name, "one", now - MINUTE, now).await);
    let fence = fence.expect("a new lease is free");
    match renew(store, &name, "one", fence, now + MINUTE, false).await {
        Renewal::Held => assert_eq!(
            acquire(store, &name, "two", now).await,
            None,
            "a renewal that was granted must count"
        ),
        Renewal::Lost => {
            hold(store, &name, "two", now).await;
        }
        Renewal::HandedOver => panic!("what nobody offered cannot be handed over"),
    }
}

async fn a_released_lease_is_free_and_its_fence_grows<S: LeaseStore>(store: &S) {
    let (name, now) = (fresh_text("lease"), present());
    let first = hold(store, &name, "one", now).await;
    done("releasing", store.release(&name, "one", first).await);
    done("releasing twice", store.release(&name, "one", first).await);
    let lost = renew(store, &name, "one", first, now + MINUTE, false).await;
    assert_eq!(lost, Renewal::Lost, "what was given back is not held");
    let second = hold(store, &name, "two", now).await;
    assert!(second > first, "a fence must grow over a release, got {second} after {first}");
}

async fn a_past_fence_does_nothing<S: LeaseStore>(store: &S) {
    let (name, now) = (fresh_text("lease"), present());
    let first = hold(store, &name, "one", now).await;
    done("releasing", store.release(&name, "one", first).await);
    let second = hold(store, &name, "one", now).await;
    done("releasing with a past fence", store.release(&name, "one", first).await);
    done("releasing for another", store.release(&name, "two", second).await);
    assert_eq!(
        acquire(store, &name, "two", now).await,
        None,
        "only the holder under its own fence gives a lease back"
    );
    let past = renew(store, &name, "one", first, now + MINUTE, true).await;
    assert_eq!(past, Renewal::Lost, "a past fence is not the holder's");
    assert_eq!(acquire(store, &name, "two", now).await, None, "and offers nothing");
}

async fn names_are_apart<S: LeaseStore>(store: &S) {
    let now = present();
    hold(store, &fresh_text("lease"), "one", now).await;
    hold(store, &fresh_text("lease"), "two", now).await;
}
