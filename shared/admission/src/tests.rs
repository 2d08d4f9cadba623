//! Requests as Genesys signs them, and what is decided on them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use sidetone_audiohook_proto::{KeyId, Refusal, Secret, SigningRequest, sign};
use sidetone_model::Timestamp;
use sidetone_ports::{Clock, SecretSource, StoreError, StoredKey};
use sidetone_ports_embedded::MemoryKeys;

use crate::{AdmissionConfig, Arrival, Authenticator, Replays, Verdict};

const ORGANIZATION: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";
const SESSION: &str = "E160E428-53E2-487C-977D-96989BF5C99D";
const KEY: &str = "demo";
const SECRETS: [&str; 3] = [
    "YXVkaW9ob29rLWZhY3RzaGVldC1kZW1vLXNlY3JldCE=",
    "b3RoZXItc2VjcmV0LW9mLXRoaXJ0eS10d28tYnl0ZXM=",
    "dGhlLXRoaXJkLXNlY3JldC1vZi10aGlydHktdHdvLWI=",
];
const AUTHORITY: &str = "calls.example.net";
const TARGET: &str = "/audiohook/ws?tenant=acme";

fn stored(secrets: &[&str]) -> StoredKey {
    StoredKey {
        key_id: KEY.to_owned(),
        secrets: secrets.iter().map(|secret| (*secret).to_owned()).collect(),
        organizations: vec![ORGANIZATION.parse().unwrap()],
        api_key_only: secrets.is_empty(),
    }
}

fn header(headers: &mut HeaderMap, name: &'static str, value: &str) {
    headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
}

fn signed(now: Timestamp, secret: &str, nonce: u64) -> HeaderMap {
    let nonce = format!("nonce-of-22-characters-{nonce}");
    let signing = SigningRequest {
        target: TARGET,
        authority: AUTHORITY,
        organization_id: ORGANIZATION,
        session_id: SESSION,
        correlation_id: "c",
        key_id: &KeyId::new(KEY),
        nonce: &nonce,
        created: now,
        lifetime: Duration::from_secs(30),
    };
    let signature = sign(&signing, &Secret::from_base64(secret).unwrap()).unwrap();
    let mut headers = HeaderMap::new();
    header(&mut headers, "host", AUTHORITY);
    header(&mut headers, "audiohook-organization-id", ORGANIZATION);
    header(&mut headers, "audiohook-session-id", SESSION);
    header(&mut headers, "audiohook-correlation-id", "c");
    header(&mut headers, "x-api-key", KEY);
    header(&mut headers, "signature-input", &signature.signature_input);
    header(&mut headers, "signature", &signature.signature);
    headers
}

async fn judge<K: SecretSource>(
    door: &Authenticator<K>,
    headers: &HeaderMap,
    clock: Clock,
) -> Verdict {
    judge_at(door, headers, clock, clock.now()).await
}

async fn judge_at<K: SecretSource>(
    door: &Authenticator<K>,
    headers: &HeaderMap,
    clock: Clock,
    at: Timestamp,
) -> Verdict {
    door.judge(&clock, Arrival { target: TARGET, headers, at }).await
}

#[tokio::test]
async fn lets_in_once_and_says_what_the_shared_memory_is_to_be_asked() {
    let clock = Clock::scaled(1.0);
    let keys = MemoryKeys::new([stored(&SECRETS[..1])]);
    let door = Authenticator::new(AdmissionConfig::default(), keys);
    let headers = signed(clock.now(), SECRETS[0], 1);
    let Verdict::Admitted(admitted) = judge(&door, &headers, clock).await else {
        panic!("a good request")
    };
    assert_eq!(admitted.handshake.session_id.to_string(), SESSION, "as it was spelt");
    assert_eq!(admitted.correlation.as_deref(), Some("c"));
    let nonce = admitted.nonce.unwrap();
    assert_eq!((&*nonce.key_id, &*nonce.nonce), (KEY, "nonce-of-22-characters-1"));
    assert!(nonce.until > clock.now());
    let again = judge(&door, &headers, clock).await;
    assert!(matches!(again, Verdict::Refused(Refusal::NonceRepeated)), "{again:?}");
}

#[tokio::test]
async fn replays_are_a_setting() {
    let clock = Clock::scaled(1.0);
    for (replays, asks, admits_again) in [
        (Replays::Shared, true, false),
        (Replays::Local, false, false),
        (Replays::Allowed, false, true),
    ] {
        let config = AdmissionConfig { replays, ..AdmissionConfig::default() };
        let keys = MemoryKeys::new([stored(&SECRETS[..1])]);
        let door = Authenticator::new(config, keys);
        let headers = signed(clock.now(), SECRETS[0], 1);
        let Verdict::Admitted(first) = judge(&door, &headers, clock).await else {
            panic!("{replays:?}")
        };
        assert_eq!(first.nonce.is_some(), asks, "{replays:?}");
        let again = judge(&door, &headers, clock).await;
        assert_eq!(matches!(again, Verdict::Admitted(_)), admits_again, "{replays:?}");
    }
}

#[tokio::test]
async fn without_a_host_header_the_public_authority_counts() {
    let clock = Clock::scaled(1.0);
    let config = AdmissionConfig {
        public_authority: Some(AUTHORITY.to_owned()),
        ..AdmissionConfig::default()
    };
    let door = Authenticator::new(config, MemoryKeys::new([stored(&SECRETS[..1])]));
    let mut headers = signed(clock.now(), SECRETS[0], 1);
    headers.remove("host");
    assert!(matches!(judge(&door, &headers, clock).await, Verdict::Admitted(_)));
    header(&mut headers, "host", "a");
    header(&mut headers, "host", "b");
    let twice = judge(&door, &headers, clock).await;
    assert!(matches!(twice, Verdict::Refused(Refusal::DuplicateHeader { name: "host" })));
}

/// A source that keeps to what it once read for as long as it is not asked to look again, as
/// those do that pay for each look.
#[derive(Debug, Clone)]
struct Remembering {
    keys: MemoryKeys,
    memory: Arc<Mutex<Option<StoredKey>>>,
}

impl SecretSource for Remembering {
    async fn key(&self, key_id: &str) -> Result<Option<StoredKey>, StoreError> {
        let known = self.memory.lock().unwrap().clone();
        if known.is_some() {
            return Ok(known);
        }
        self.fresh_key(key_id).await
    }

    async fn fresh_key(&self, key_id: &str) -> Result<Option<StoredKey>, StoreError> {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let read = self.keys.key(key_id).await?;
        self.memory.lock().unwrap().clone_from(&read);
        Ok(read)
    }
}

#[tokio::test(start_paused = true)]
async fn secrets_that_are_rotated_refuse_nobody_and_retired_ones_get_nowhere() {
    let clock = Clock::scaled(1.0);
    let keys = MemoryKeys::new([stored(&SECRETS[..1])]);
    let source = Remembering { keys: keys.clone(), memory: Arc::default() };
    let door = Arc::new(Authenticator::new(AdmissionConfig::default(), source));
    let mut calls = tokio::task::JoinSet::new();
    let mut nonce = 0;
    // Each second the next secret becomes the first; twenty handshakes a second use it at once.
    for rotation in 1..=20_usize {
        let (old, new) = (SECRETS[(rotation - 1) % 3], SECRETS[rotation % 3]);
        keys.insert(stored(&[new, old]));
        for _ in 0..20 {
            nonce += 1;
            let (door, headers, at) =
                (Arc::clone(&door), signed(clock.now(), new, nonce), clock.now());
            calls.spawn(async move { judge_at(&door, &headers, clock, at).await });
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let retired = SECRETS[(rotation + 1) % 3];
        let verdict = judge(&door, &signed(clock.now(), retired, 0), clock).await;
        assert!(
            matches!(verdict, Verdict::Refused(Refusal::SignatureMismatch)),
            "rotation {rotation}: {verdict:?}"
        );
    }
    for verdict in calls.join_all().await {
        assert!(matches!(verdict, Verdict::Admitted(_)), "{verdict:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_grows_old_while_the_process_is_frozen() {
    let morning = Timestamp::from_millis(1_795_327_200_000);
    let keys = MemoryKeys::new([stored(&SECRETS[..1])]);
    let door = Authenticator::new(AdmissionConfig::default(), keys.clone());
    let before = Clock::starting_at(morning, 1.0);
    let verdict = judge(&door, &signed(before.now(), SECRETS[0], 1), before).await;
    assert!(matches!(verdict, Verdict::Admitted(_)), "{verdict:?}");
    keys.insert(stored(&SECRETS[1..2]));
    // The runtime's own time has stood still.
    let after = Clock::starting_at(morning + Duration::from_secs(3_600), 1.0);
    let verdict = judge(&door, &signed(after.now(), SECRETS[0], 2), after).await;
    let mismatch = Refusal::SignatureMismatch;
    assert!(matches!(verdict, Verdict::Refused(refusal) if refusal == mismatch), "{verdict:?}");
}

#[tokio::test]
async fn key_used_for_another_organization_is_named_with_its_own() {
    const OTHER: &str = "d7934305-0972-4844-938e-9060eef73d05";
    let clock = Clock::scaled(1.0);
    let key = StoredKey { organizations: vec![OTHER.parse().unwrap()], ..stored(&SECRETS[..1]) };
    let door = Authenticator::new(AdmissionConfig::default(), MemoryKeys::new([key]));
    let headers = signed(clock.now(), SECRETS[0], 1);
    let Verdict::Refused(refusal) = judge(&door, &headers, clock).await else {
        panic!("a borrowed key")
    };
    assert_eq!(refusal, Refusal::OrganizationNotBound);
    let cause = door.cause_of(refusal, &headers);
    let fingerprint = KeyId::new(KEY).fingerprint();
    assert!(cause.ends_with(&format!("key {fingerprint} belongs to {OTHER}")), "{cause}");
    assert_eq!(crate::claimed_organization(&headers), ORGANIZATION.parse().ok());
    assert_eq!(door.cause_of(Refusal::Expired, &headers), "expired");
}
