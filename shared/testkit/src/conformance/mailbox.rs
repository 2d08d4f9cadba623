//! Letters: none lost, none to the wrong owner, and a taker that waits is told.

use std::collections::BTreeSet;
use std::time::Duration;

use sidetone_model::{ConversationKey, OwnerId};
use sidetone_ports::Mailbox;

use super::{RACERS, done, present};
use crate::fresh::{fresh_key, fresh_organization, fresh_owner};

const NO_WAIT: Duration = Duration::ZERO;
const SHORT: Duration = Duration::from_millis(300);

/// Checks a [`Mailbox`]. Panics where it falls short.
pub async fn mailbox<S: Mailbox>(store: S) {
    letters_are_taken_once(&store).await;
    letters_of_one_key_may_become_one(&store).await;
    owners_and_organizations_are_apart(&store).await;
    a_taker_waits_and_gets_what_comes(&store).await;
    no_letter_of_many_is_lost(&store).await;
}

async fn take<S: Mailbox>(store: &S, owner: &OwnerId, wait: Duration) -> Vec<ConversationKey> {
    done("taking letters", store.take(owner, wait).await)
}

async fn post<S: Mailbox>(store: &S, owner: &OwnerId, key: ConversationKey) {
    done("posting a letter", store.post(owner, key, present()).await);
}

async fn letters_are_taken_once<S: Mailbox>(store: &S) {
    let (owner, one, two) = (fresh_owner(), fresh_key(), fresh_key());
    assert!(take(store, &owner, NO_WAIT).await.is_empty(), "nobody wrote yet");
    assert!(take(store, &owner, SHORT).await.is_empty(), "nobody wrote while waiting");
    post(store, &owner, one).await;
    post(store, &owner, two).await;
    let taken: BTreeSet<_> = take(store, &owner, NO_WAIT).await.into_iter().collect();
    assert_eq!(taken, BTreeSet::from([one, two]), "every letter must be taken");
    assert!(take(store, &owner, NO_WAIT).await.is_empty(), "what was taken is gone");
    post(store, &owner, one).await;
    assert_eq!(take(store, &owner, NO_WAIT).await, [one], "the same key may be posted again");
}

async fn letters_of_one_key_may_become_one<S: Mailbox>(store: &S) {
    let (owner, key) = (fresh_owner(), fresh_key());
    for _ in 0..5 {
        post(store, &owner, key).await;
    }
    let taken = take(store, &owner, NO_WAIT).await;
    assert!((1..=5).contains(&taken.len()), "five letters are one to five, got {taken:?}");
    assert!(taken.iter().all(|taken| *taken == key), "and all of that key: {taken:?}");
}

async fn owners_and_organizations_are_apart<S: Mailbox>(store: &S) {
    let (owner, other, ours) = (fresh_owner(), fresh_owner(), fresh_key());
    let theirs = ConversationKey { organization: fresh_organization(), ..ours };
    post(store, &owner, ours).await;
    post(store, &owner, theirs).await;
    assert!(take(store, &other, NO_WAIT).await.is_empty(), "a letter is for its owner alone");
    let taken: BTreeSet<_> = take(store, &owner, NO_WAIT).await.into_iter().collect();
    assert_eq!(
        taken,
        BTreeSet::from([ours, theirs]),
        "a conversation id under two organizations is two letters"
    );
}

async fn a_taker_waits_and_gets_what_comes<S: Mailbox>(store: &S) {
    let (owner, key) = (fresh_owner(), fresh_key());
    let (taker_store, taker_owner) = (store.clone(), owner.clone());
    let taker =
        tokio::spawn(async move { take(&taker_store, &taker_owner, Duration::from_secs(2)).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    post(store, &owner, key).await;
    let taken = taker.await.expect("the taker does not panic");
    assert_eq!(taken, [key], "who waits must get what comes meanwhile");
}

async fn no_letter_of_many_is_lost<S: Mailbox>(store: &S) {
    let owner = fresh_owner();
    let mut posters = Vec::new();
    let mut expected = BTreeSet::new();
    for _ in 0..RACERS {
        let keys: Vec<_> = (0..16).map(|_| fresh_key()).collect();
        expected.extend(keys.iter().copied());
        let (store, owner) = (store.clone(), owner.clone());
        posters.push(tokio::spawn(async move {
            for key in keys {
                post(&store, &owner, key).await;
            }
        }));
    }
    let mut taken = BTreeSet::new();
    for _ in 0..expected.len() * 4 {
        if taken.len() == expected.len() {
            break;
        }
        taken.extend(take(store, &owner, SHORT).await);
    }
    for poster in posters {
        poster.await.expect("a poster does not panic");
    }
    assert_eq!(taken, expected, "letters posted while others are taken must not be lost");
}
