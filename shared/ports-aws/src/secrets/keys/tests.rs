//! What no local AWS does: a service that is down, and one that is asked too often.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::*;
use crate::testing::{Answer, Asked, Fake};

/// What the service does from one moment to the next.
const UP: usize = 0;
const DOWN: usize = 1;
const DENYING: usize = 2;
const BROKEN: usize = 3;
const DELETED: usize = 4;

fn answer(state: usize, asked: &Asked) -> Answer {
    let current = asked.body.contains("AWSCURRENT");
    let secret = if current { "new" } else { "old" };
    let key = json!({
        "key_id": "the-key",
        "secrets": [secret],
        "organizations": ["00000000-0000-4000-8000-000000000001"],
    });
    let text = match state {
        UP => json!({"keys": [key]}).to_string(),
        BROKEN => "hush".to_owned(),
        DOWN => return Answer::Error(503, "InternalServiceError"),
        DENYING => return Answer::Error(400, "AccessDeniedException"),
        _ => return Answer::Error(400, "ResourceNotFoundException"),
    };
    let value = json!({"ARN": "arn", "Name": "keys", "VersionId": secret, "SecretString": text});
    Answer::Done(value.to_string())
}

async fn service() -> (Fake, Arc<AtomicUsize>, SecretsSource) {
    let state = Arc::new(AtomicUsize::new(UP));
    let seen = Arc::clone(&state);
    let fake = Fake::start(move |asked, _| answer(seen.load(Ordering::Relaxed), asked)).await;
    let source = SecretsSource::new(&fake.config, "keys".into());
    (fake, state, source)
}

/// Lets what is known grow old.
fn age(source: &SecretsSource) {
    source.known().good_until = Some(SystemTime::now());
    if let Ok(mut looked) = source.0.turn.try_lock() {
        looked.0 = None;
    }
}

#[tokio::test]
async fn the_last_good_keys_hold_while_the_service_is_down() {
    let (fake, state, source) = service().await;
    let secrets = source.key("the-key").await.unwrap().unwrap().secrets;
    assert_eq!(secrets, ["new", "old"]);
    for down in [DOWN, DENYING, BROKEN] {
        state.store(down, Ordering::Relaxed);
        age(&source);
        assert!(source.key("the-key").await.unwrap().is_some());
        let asked = fake.asked().len();
        assert!(source.key("the-key").await.unwrap().is_some());
        assert_eq!(fake.asked().len(), asked, "nobody asks again for a while");
    }
}

#[tokio::test]
async fn without_any_keys_nobody_is_let_in() {
    for down in [DOWN, DENYING, BROKEN, DELETED] {
        let (_fake, state, source) = service().await;
        state.store(down, Ordering::Relaxed);
        let error = source.key("the-key").await.unwrap_err();
        assert!(!format!("{} {error:?}", chain(&error)).contains("hush"), "{error:?}");
    }
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let (_fake, state, source) = service().await;
    state.store(DENYING, Ordering::Relaxed);
    let error = chain(&source.key("the-key").await.unwrap_err());
    let named = "secretsmanager:GetSecretValue answered AccessDeniedException";
    assert!(error.contains(named), "{error}");
}

#[tokio::test]
async fn a_secret_that_was_deleted_closes_the_door() {
    let (_fake, state, source) = service().await;
    assert!(source.key("the-key").await.unwrap().is_some());
    state.store(DELETED, Ordering::Relaxed);
    age(&source);
    assert!(source.key("the-key").await.is_err());
    state.store(DOWN, Ordering::Relaxed);
    age(&source);
    assert!(source.key("the-key").await.is_err(), "what was deleted is not remembered");
}

#[tokio::test]
async fn those_who_come_together_share_a_look() {
    let (fake, _, source) = service().await;
    let looks = (0..50).map(|_| {
        let source = source.clone();
        tokio::spawn(async move { source.fresh_key("unknown").await.unwrap() })
    });
    let looks: Vec<_> = looks.collect();
    for look in looks {
        assert!(look.await.unwrap().is_none());
    }
    assert!(fake.asked().len() <= 4, "two looks at two stages, not {}", fake.asked().len());
}

#[tokio::test]
async fn looks_are_no_closer_than_they_may_be() {
    let (fake, _, source) = service().await;
    let began = std::time::Instant::now();
    for _ in 0..3 {
        assert!(source.key("made-up").await.unwrap().is_none());
    }
    assert!(began.elapsed() >= 2 * LOOK_EVERY);
    assert_eq!(fake.asked().len(), 6);
}
