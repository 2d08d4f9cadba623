//! Signs of life of owners, and observers of them on clocks of their own.

use std::collections::BTreeSet;
use std::time::Duration;

use sidetone_model::{OwnerId, Timestamp};
use sidetone_ports::{Clock, Observed, OwnerBeat, OwnerStore};

use super::{done, present};
use crate::fresh::fresh_owner;

/// How long a beat may stand still in this suite, and how often an observer looks.
const LIFE: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// By how many seconds observers' clocks are apart from the owners'.
const SKEWS: [i64; 6] = [-40, -5, -1, 1, 5, 40];

/// Checks an [`OwnerStore`]. Panics where it falls short.
pub async fn owner_store<S: OwnerStore>(store: S) {
    beats_replace_each_other_and_removal_forgets_one_owner(&store).await;
    an_owner_is_removed_only_if_its_beat_is_the_silent_one(&store).await;
    observers_on_any_clock_find_the_dead_owner_alone(&store).await;
    an_observer_that_was_stopped_finds_no_owner_dead(&store).await;
}

async fn beats_replace_each_other_and_removal_forgets_one_owner<S: OwnerStore>(store: &S) {
    let (one, two) = (fresh_owner(), fresh_owner());
    assert_eq!(found(store, &one).await, None, "an owner that never beat is not listed");
    assert!(!beat(store, &one, 1).await, "the first beat lists an owner");
    assert!(!beat(store, &two, 1).await, "and no other one");
    assert!(beat(store, &one, 2).await, "the second finds it listed");
    let expected = OwnerBeat { owner: one.clone(), beat: 2, life: LIFE };
    assert_eq!(found(store, &one).await, Some(expected), "the last beat counts");
    done("removing an owner", store.remove_owner(&one, None).await);
    done("removing an owner twice", store.remove_owner(&one, None).await);
    assert_eq!(found(store, &one).await, None, "an owner that was removed is not listed");
    assert!(found(store, &two).await.is_some(), "and the other one is");
    assert!(!beat(store, &one, 3).await, "an owner that was removed can tell by its next beat");
    done("removing an owner", store.remove_owner(&one, None).await);
    done("removing an owner", store.remove_owner(&two, None).await);
}

async fn an_owner_is_removed_only_if_its_beat_is_the_silent_one<S: OwnerStore>(store: &S) {
    let owner = fresh_owner();
    beat(store, &owner, u64::from(u32::MAX)).await;
    beat(store, &owner, u64::from(u32::MAX) + 1).await;
    done("removing", store.remove_owner(&owner, Some(u64::from(u32::MAX))).await);
    assert!(found(store, &owner).await.is_some(), "an owner that beat again stays");
    done("removing", store.remove_owner(&owner, Some(u64::from(u32::MAX) + 1)).await);
    assert_eq!(found(store, &owner).await, None, "one that did not is removed");
}

async fn observers_on_any_clock_find_the_dead_owner_alone<S: OwnerStore>(store: &S) {
    let (lives, died) = (fresh_owner(), fresh_owner());
    let all = BTreeSet::from([lives.clone(), died.clone()]);
    let mut observers: Vec<(Timestamp, Observed<OwnerBeat>)> = SKEWS
        .iter()
        .map(|skew| {
            let now = Timestamp::from_micros(present().as_micros() + skew * 1_000_000);
            (now, observer())
        })
        .collect();
    beat(store, &died, 1).await;
    for look in 0..5 {
        beat(store, &lives, look).await;
        for (begun_at, observed) in &mut observers {
            let now = *begun_at + LOOK_EVERY * u32::try_from(look).expect("a few looks");
            let silent = look_at(store, observed, now, &all).await;
            let expected = if look < 3 { vec![] } else { vec![died.clone()] };
            assert_eq!(silent, expected, "look {look} of the observer that began at {begun_at}");
        }
    }
    done("removing an owner", store.remove_owner(&lives, None).await);
    done("removing an owner", store.remove_owner(&died, None).await);
}

async fn an_observer_that_was_stopped_finds_no_owner_dead<S: OwnerStore>(store: &S) {
    let (owner, begun_at, mut observed) = (fresh_owner(), present(), observer());
    let all = BTreeSet::from([owner.clone()]);
    beat(store, &owner, 1).await;
    for secs in [0, 5, 10, 45, 50, 55] {
        let silent = look_at(store, &mut observed, begun_at + Duration::from_secs(secs), &all);
        assert_eq!(silent.await, [], "{secs} s after the start: both were stopped together");
    }
    let now = begun_at + Duration::from_secs(60);
    let silent = look_at(store, &mut observed, now, &all).await;
    assert_eq!(silent, std::slice::from_ref(&owner), "a whole life after both went on");
    done("removing an owner", store.remove_owner(&owner, None).await);
}

fn observer() -> Observed<OwnerBeat> {
    Observed::every(LOOK_EVERY, &Clock::system())
}

/// Beats, and returns whether the owner was listed before.
async fn beat<S: OwnerStore>(store: &S, owner: &OwnerId, beat: u64) -> bool {
    let beat = OwnerBeat { owner: owner.clone(), beat, life: LIFE };
    done("beating", store.beat(&beat).await)
}

async fn found<S: OwnerStore>(store: &S, owner: &OwnerId) -> Option<OwnerBeat> {
    let beats = done("reading the owners", store.owners().await);
    let mut found = beats.into_iter().filter(|beat| beat.owner == *owner);
    let beat = found.next();
    assert!(found.next().is_none(), "{owner} must be listed once");
    beat
}

/// Takes one look at some of the owners and returns those found silent.
async fn look_at<S: OwnerStore>(
    store: &S,
    observed: &mut Observed<OwnerBeat>,
    now: Timestamp,
    among: &BTreeSet<OwnerId>,
) -> Vec<OwnerId> {
    let beats = done("reading the owners", store.owners().await);
    let beats = beats.into_iter().filter(|beat| among.contains(&beat.owner));
    let silent = observed.look(now, now, beats.map(|beat| (beat.clone(), beat.life)));
    silent.into_iter().map(|beat| beat.owner).collect()
}
