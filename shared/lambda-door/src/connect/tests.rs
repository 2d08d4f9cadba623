//! Handshakes as API Gateway hands them over, and what they are answered.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use http::{HeaderName, HeaderValue};
use sidetone_audiohook_proto::{KeyId, Secret, SigningRequest, sign};
use sidetone_ports::{StoreError, StoredKey};
use sidetone_ports_embedded::{MemoryKeys, Store};

use super::*;

const URL: &str = "wss://abc123.execute-api.us-east-1.amazonaws.com/audiohook";
const AUTHORITY: &str = "abc123.execute-api.us-east-1.amazonaws.com";
const ORGANIZATION: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";
const SESSION: &str = "e160e428-53e2-487c-977d-96989bf5c99d";
const SECRET: &str = "YXVkaW9ob29rLWZhY3RzaGVldC1kZW1vLXNlY3JldCE=";
const KEY: &str = "demo";
const OPEN_KEY: &str = "open";

/// A source of keys that can be taken away.
#[derive(Debug, Clone)]
struct Keys {
    keys: MemoryKeys,
    fails: Arc<AtomicBool>,
}

impl SecretSource for Keys {
    async fn key(&self, key_id: &str) -> Result<Option<StoredKey>, StoreError> {
        match self.fails.load(Ordering::Relaxed) {
            true => Err(StoreError::unavailable("read a key", "down")),
            false => self.keys.key(key_id).await,
        }
    }
}

/// A memory of nonces that can be taken away, or left hanging.
#[derive(Debug, Clone)]
struct Nonces {
    store: Store,
    fails: Arc<AtomicBool>,
    hangs: Arc<AtomicBool>,
}

impl NonceStore for Nonces {
    async fn remember(
        &self,
        key_id: &str,
        nonce: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Freshness, StoreError> {
        if self.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        match self.fails.load(Ordering::Relaxed) {
            true => Err(StoreError::unavailable("remember a nonce", "down")),
            false => self.store.remember(key_id, nonce, until, now).await,
        }
    }
}

struct Stage {
    clock: Clock,
    keys: Keys,
    nonces: Nonces,
    admitted: Arc<Mutex<Vec<(ConnectionId, Handshake)>>>,
    refused: Mutex<Vec<(String, &'static str)>>,
    states_fail: bool,
    nonce: AtomicUsize,
}

impl Stage {
    fn new() -> Self {
        let key = |id: &str, secrets: &[&str]| StoredKey {
            key_id: id.to_owned(),
            secrets: secrets.iter().map(|secret| (*secret).to_owned()).collect(),
            organizations: vec![ORGANIZATION.parse().unwrap()],
            api_key_only: secrets.is_empty(),
        };
        let keys = MemoryKeys::new([key(KEY, &[SECRET]), key(OPEN_KEY, &[])]);
        Self {
            clock: Clock::scaled(1.0),
            keys: Keys { keys, fails: Arc::default() },
            nonces: Nonces {
                store: Store::in_memory().unwrap(),
                fails: Arc::default(),
                hangs: Arc::default(),
            },
            admitted: Arc::default(),
            refused: Mutex::default(),
            states_fail: false,
            nonce: AtomicUsize::new(0),
        }
    }

    fn connector(&self) -> Connector<Nonces, Keys> {
        let config = AdmissionConfig::default();
        let (nonces, keys) = (self.nonces.clone(), self.keys.clone());
        Connector::new(&URL.parse().unwrap(), config, nonces, keys)
    }

    fn signed(&self) -> ConnectRequest {
        self.signed_for(AUTHORITY, "/audiohook", SECRET)
    }

    fn signed_for(&self, authority: &str, target: &str, secret: &str) -> ConnectRequest {
        let number = self.nonce.fetch_add(1, Ordering::Relaxed);
        let signing = SigningRequest {
            target,
            authority,
            organization_id: ORGANIZATION,
            session_id: SESSION,
            correlation_id: "c",
            key_id: &KeyId::new(KEY),
            nonce: &format!("nonce-of-22-characters-{number}"),
            created: self.clock.now(),
            lifetime: Duration::from_secs(30),
        };
        let signature = sign(&signing, &Secret::from_base64(secret).unwrap()).unwrap();
        let mut request = self.unsigned(KEY);
        set(&mut request, "host", authority);
        set(&mut request, "signature-input", &signature.signature_input);
        set(&mut request, "signature", &signature.signature);
        request
    }

    fn unsigned(&self, key: &str) -> ConnectRequest {
        let mut request = ConnectRequest {
            connection: ConnectionId::new("AAAA1234="),
            headers: HeaderMap::new(),
            has_query: false,
            received_at: Some(self.clock.now()),
            peer: "203.0.113.7".to_owned(),
        };
        set(&mut request, "audiohook-organization-id", ORGANIZATION);
        set(&mut request, "audiohook-session-id", SESSION);
        set(&mut request, "audiohook-correlation-id", "c");
        set(&mut request, "x-api-key", key);
        request
    }

    async fn answer(
        &self,
        connector: &Connector<Nonces, Keys>,
        request: &ConnectRequest,
    ) -> ConnectAnswer {
        let admitted = Arc::clone(&self.admitted);
        let fails = self.states_fail;
        let admit = |connection, handshake| async move {
            if fails {
                return Err(StoreError::unavailable("write a connection", "down"));
            }
            admitted.lock().unwrap().push((connection, handshake));
            Ok(())
        };
        // It may take for ever, and nobody waits for it.
        let note = |organization: OrganizationId, reason| {
            self.refused.lock().unwrap().push((organization.to_string(), reason));
            std::future::pending()
        };
        connector.answer(&self.clock, request, admit, note).await
    }

    fn admitted(&self) -> usize {
        self.admitted.lock().unwrap().len()
    }
}

fn set(request: &mut ConnectRequest, name: &'static str, value: &str) {
    let name = HeaderName::from_static(name);
    request.headers.insert(name, HeaderValue::from_str(value).unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_good_handshake_has_its_state_before_it_is_let_in() {
    let stage = Stage::new();
    let answer = stage.answer(&stage.connector(), &stage.signed()).await;
    assert_eq!(answer, ConnectAnswer::ACCEPTED);
    let admitted = stage.admitted.lock().unwrap();
    let [(connection, handshake)] = &admitted[..] else { panic!("{admitted:?}") };
    assert_eq!(connection.to_string(), "AAAA1234=");
    assert_eq!(handshake.organization.to_string(), ORGANIZATION);
    assert_eq!(handshake.session_id.to_string(), SESSION);
}

#[tokio::test(start_paused = true)]
async fn c26_every_refusal_looks_and_lasts_the_same() {
    let stage = Stage::new();
    let connector = stage.connector();
    let other_secret = "b3RoZXItc2VjcmV0LW9mLXRoaXJ0eS10d28tYnl0ZXM=";
    let mut with_query = stage.signed();
    with_query.has_query = true;
    let mut old = stage.signed();
    old.received_at = Some(stage.clock.now() + Duration::from_secs(60));
    let mut foreign = stage.signed();
    set(&mut foreign, "audiohook-organization-id", "d7934305-0972-4844-938e-9060eef73d05");
    let mut half = stage.signed();
    half.headers.remove("signature");
    let mut keyless = stage.signed();
    keyless.headers.remove("x-api-key");
    let mut twice = stage.signed();
    twice.headers.append("x-api-key", HeaderValue::from_static(KEY));
    let mut nonsense = stage.signed();
    set(&mut nonsense, "audiohook-session-id", "nonsense");
    let mut empty = stage.signed();
    empty.headers.clear();
    let replayed = stage.signed();
    assert_eq!(stage.answer(&connector, &replayed).await, ConnectAnswer::ACCEPTED);
    let cases = [
        with_query,
        old,
        foreign,
        half,
        keyless,
        twice,
        nonsense,
        empty,
        replayed,
        stage.signed_for(AUTHORITY, "/audiohook", other_secret),
        stage.signed_for("other.example.net", "/audiohook", SECRET),
        stage.signed_for(AUTHORITY, "/", SECRET),
        stage.signed_for(AUTHORITY, "/audiohook?a=1", SECRET),
        stage.unsigned(KEY),
        stage.unsigned("no-such-key"),
    ];
    for (place, request) in cases.iter().enumerate() {
        let began_at = stage.clock.now();
        let answer = stage.answer(&connector, request).await;
        assert_eq!(answer, ConnectAnswer::REFUSED, "case {place}");
        let took = stage.clock.now().since(began_at).as_millis();
        assert!((500..=502).contains(&took), "case {place} took {took} ms");
    }
    assert_eq!(stage.admitted(), 1);
    let refused = stage.refused.lock().unwrap();
    assert!(refused.contains(&(ORGANIZATION.to_owned(), "nonce_repeated")), "{refused:?}");
    assert!(refused.contains(&(ORGANIZATION.to_owned(), "unknown_key")), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn c24_a_replay_is_refused_in_another_environment_too() {
    let stage = Stage::new();
    let request = stage.signed();
    let first = stage.answer(&stage.connector(), &request).await;
    let second = stage.answer(&stage.connector(), &request).await;
    assert_eq!((first, second), (ConnectAnswer::ACCEPTED, ConnectAnswer::REFUSED));
    assert_eq!(stage.admitted(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_the_shared_memory_calls_come_in_all_the_same() {
    let stage = Stage::new();
    stage.nonces.fails.store(true, Ordering::Relaxed);
    let answer = stage.answer(&stage.connector(), &stage.signed()).await;
    assert_eq!(answer, ConnectAnswer::ACCEPTED);
    stage.nonces.hangs.store(true, Ordering::Relaxed);
    let began_at = stage.clock.now();
    let answer = stage.answer(&stage.connector(), &stage.signed()).await;
    assert_eq!(answer, ConnectAnswer::ACCEPTED);
    assert!(stage.clock.now().since(began_at) < Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn cold_secrets_and_states_that_cannot_be_kept_are_503() {
    let mut stage = Stage::new();
    stage.keys.fails.store(true, Ordering::Relaxed);
    let connector = stage.connector();
    let answer = stage.answer(&connector, &stage.signed()).await;
    assert_eq!(answer, ConnectAnswer::UNAVAILABLE);
    stage.keys.fails.store(false, Ordering::Relaxed);
    stage.states_fail = true;
    let answer = stage.answer(&connector, &stage.signed()).await;
    assert_eq!(answer, ConnectAnswer::UNAVAILABLE);
    assert_eq!(stage.admitted(), 0);
    let never = |_, _| std::future::pending::<Result<(), StoreError>>();
    let answer = connector.answer(&stage.clock, &stage.signed(), never, async |_, _| ()).await;
    assert_eq!(answer, ConnectAnswer::UNAVAILABLE);
}

#[tokio::test(start_paused = true)]
async fn where_the_key_alone_lets_in_a_malformed_id_is_400() {
    let stage = Stage::new();
    let connector = stage.connector();
    let mut request = stage.unsigned(OPEN_KEY);
    assert_eq!(stage.answer(&connector, &request).await, ConnectAnswer::ACCEPTED);
    set(&mut request, "audiohook-session-id", "nonsense");
    assert_eq!(stage.answer(&connector, &request).await, ConnectAnswer::MALFORMED);
    request.headers.remove("audiohook-session-id");
    assert_eq!(stage.answer(&connector, &request).await, ConnectAnswer::MALFORMED);
}

#[tokio::test(start_paused = true)]
async fn an_event_without_a_time_is_judged_by_our_clock() {
    let stage = Stage::new();
    let mut request = stage.signed();
    request.received_at = None;
    assert_eq!(stage.answer(&stage.connector(), &request).await, ConnectAnswer::ACCEPTED);
}
