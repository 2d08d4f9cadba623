//! The running server held against its contract, by an operator and by callers of two
//! organizations.

#![allow(clippy::unwrap_used, reason = "a test says by failing that something is amiss")]

use std::collections::BTreeSet;
use std::sync::Mutex;

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use sidetone_organizations::Organizations;
use sidetone_organizations_api::{OPENAPI, router};
use sidetone_ports::Clock;
use sidetone_ports_embedded::{DataDir, SecretFiles, Store};
use sidetone_users_api::{ApiToken, Bearer, Caller, Guard, Operator, guarded};

const OURS: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";
const THEIRS: &str = "1f0e0d0c-0b0a-4908-8706-050403020100";
const NOBODYS: &str = "2f0e0d0c-0b0a-4908-8706-050403020100";
const OPERATOR: &str = "operators-token-of-enough-characters";
const OUR_TOKEN: &str = "our-token-of-enough-characters";
const THEIR_TOKEN: &str = "their-token-of-enough-characters";

const ALL: &str = "/v1/organizations";
const ONE: &str = "/v1/organizations/{organization}";
const HISTORY: &str = "/v1/organizations/{organization}/history";
const CONTRACT: &str = "/v1/organizations/openapi.json";

/// What must never come back.
const HUSH: &str = "client-secret-of-somebody";
const KEY_SECRET: &str = "c2VjcmV0LXNlY3JldC1zZWNyZXQ=";

/// A server on loopback, and what was exercised of its contract.
struct Bench {
    base: String,
    client: Client,
    contract: Value,
    exercised: Mutex<BTreeSet<String>>,
    _directory: tempfile::TempDir,
}

impl Bench {
    async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let directory = tempfile::tempdir().unwrap();
        let data = DataDir::open(directory.path()).unwrap();
        let secrets = SecretFiles::open(&data).unwrap();
        let organizations = Organizations::new(Store::in_memory().unwrap(), secrets);
        let caller = |organization: &str, name: &str| {
            let (organization, name) = (organization.parse().unwrap(), name.to_owned());
            Bearer::Caller(Caller { organization, name })
        };
        let token = |secret: &str, bearer| ApiToken { secret: secret.to_owned(), bearer };
        let guard = Guard::Tokens(vec![
            token(OPERATOR, Bearer::Operator(Operator { name: "olga".to_owned() })),
            token(OUR_TOKEN, caller(OURS, "grace")),
            token(THEIR_TOKEN, caller(THEIRS, "mallory")),
        ]);
        let api = guarded(router(organizations, Clock::system()), guard);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, api).await });
        let contract = serde_json::from_str(OPENAPI).unwrap();
        let (client, exercised) = (Client::new(), Mutex::default());
        Self { base, client, contract, exercised, _directory: directory }
    }

    /// Asks, and holds the answer against what the contract says of the operation at `path`.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        at: &str,
        token: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let name = method.as_str().to_lowercase();
        let mut request = self.client.request(method, format!("{}{at}", self.base));
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        let text = answer.text().await.unwrap();
        for secret in [HUSH, KEY_SECRET, "key-of-"] {
            assert!(!text.contains(secret), "{text}");
        }
        let operation = &self.contract["paths"][path][&name];
        let mut documented = &operation["responses"][status.as_str()];
        if let Some(place) = documented["$ref"].as_str() {
            documented = self.contract.pointer(place.trim_start_matches('#')).unwrap();
        }
        let schema = &documented["content"][&kind]["schema"];
        assert!(schema.is_object(), "{name} {path} does not know {status} {kind}: {text}");
        let mut schema = schema.clone();
        schema["components"] = self.contract["components"].clone();
        let value: Value = serde_json::from_str(&text).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let errors: Vec<_> = validator.iter_errors(&value).map(|it| it.to_string()).collect();
        assert!(errors.is_empty(), "{name} {path} {status}: {errors:?} in {text}");
        self.exercised.lock().unwrap().insert(format!("{name} {path}"));
        (status, value)
    }

    async fn add(&self, organization: &str, key: &str) -> (StatusCode, Value) {
        let body = json!({
            "organization": organization, "region": "usw2", "listen": "ready",
            "clients": [{ "id": "client", "secret": HUSH }],
            "key": { "id": key, "secret": KEY_SECRET },
        });
        self.ask(Method::POST, ALL, ALL, OPERATOR, Some(body)).await
    }

    async fn change(&self, organization: &str, token: &str, body: Value) -> (StatusCode, Value) {
        self.ask(Method::PATCH, ONE, &place(organization), token, Some(body)).await
    }

    async fn history(&self, organization: &str, token: &str, query: &str) -> (StatusCode, Value) {
        let at = format!("{}/history{query}", place(organization));
        self.ask(Method::GET, HISTORY, &at, token, None).await
    }

    /// Returns the ids that somebody sees.
    async fn seen(&self, token: &str) -> Vec<String> {
        let (_, list) = self.ask(Method::GET, ALL, ALL, token, None).await;
        let all = list["organizations"].as_array().unwrap().iter();
        all.map(|one| one["organization"].as_str().unwrap().to_owned()).collect()
    }
}

fn place(organization: &str) -> String {
    format!("{ALL}/{organization}")
}

#[tokio::test]
async fn an_operator_reaches_all_and_every_operation_answers_as_documented() {
    let bench = Bench::start().await;
    let (status, added) = bench.add(OURS, "key-of-ours").await;
    assert_eq!((status, &added["listen"]), (StatusCode::CREATED, &json!("ready")));
    assert_eq!(added["clients"], json!([{ "id": "client", "has_secret": true }]));
    assert_eq!(added["keys"][0]["live_secrets"], 1);
    assert_eq!(bench.add(OURS, "key-of-ours").await.0, StatusCode::CONFLICT);
    assert_eq!(bench.add(THEIRS, "key-of-ours").await.0, StatusCode::CONFLICT, "another's key");
    assert_eq!(bench.add(THEIRS, "key-of-theirs").await.0, StatusCode::CREATED);
    assert_eq!(bench.seen(OPERATOR).await, [OURS, THEIRS]);
    let days = json!({ "retention_days": 30, "queues": ["Billing"] });
    let (_, changed) = bench.change(THEIRS, OPERATOR, days).await;
    assert_eq!((&changed["retention_days"], &changed["listen"]), (&json!(30), &json!("ready")));
    let (_, shown) = bench.ask(Method::GET, ONE, &place(THEIRS), OPERATOR, None).await;
    assert_eq!(shown, changed);
    let (_, removed) = bench.ask(Method::DELETE, ONE, &place(THEIRS), OPERATOR, None).await;
    assert_eq!((&removed["keys"], &removed["clients"]), (&json!(1), &json!(1)));
    let gone = bench.ask(Method::DELETE, ONE, &place(THEIRS), OPERATOR, None).await;
    assert_eq!(gone.0, StatusCode::NOT_FOUND);
    assert_eq!(bench.history(THEIRS, OPERATOR, "").await.0, StatusCode::OK);
    let (_, served) = bench.ask(Method::GET, CONTRACT, CONTRACT, OPERATOR, None).await;
    assert_eq!(served, bench.contract);
    let exercised = bench.exercised.lock().unwrap().clone();
    let paths = bench.contract["paths"].as_object().unwrap().iter();
    let documented = paths.flat_map(|(path, operations)| {
        let names = operations.as_object().unwrap().keys().filter(|name| *name != "parameters");
        names.map(move |name| format!("{name} {path}"))
    });
    assert_eq!(exercised, documented.collect(), "every operation is exercised");
}

#[tokio::test]
async fn a_caller_reaches_the_own_organization_and_another_is_as_none() {
    let bench = Bench::start().await;
    bench.add(OURS, "key-of-ours").await;
    bench.add(THEIRS, "key-of-theirs").await;
    assert_eq!(bench.seen(OUR_TOKEN).await, [OURS]);
    let (status, changed) = bench
        .change(
            OURS,
            OUR_TOKEN,
            json!({ "listen": "always", "clients": [{ "id": "other", "secret": HUSH }] }),
        )
        .await;
    assert_eq!((status, &changed["listen"]), (StatusCode::OK, &json!("always")));
    assert_eq!(changed["clients"], json!([{ "id": "other", "has_secret": true }]));
    // A key that is another's cannot be had, nor touched.
    let theirs = json!({ "key": { "id": "key-of-theirs", "secret": KEY_SECRET } });
    assert_eq!(bench.change(OURS, OUR_TOKEN, theirs).await.0, StatusCode::CONFLICT);
    for method in [Method::GET, Method::DELETE] {
        let (status, other) = bench.ask(method.clone(), ONE, &place(THEIRS), OUR_TOKEN, None).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        let (_, none) = bench.ask(method, ONE, &place(NOBODYS), OUR_TOKEN, None).await;
        assert_eq!(other.to_string().replace(THEIRS, NOBODYS), none.to_string(), "the same words");
    }
    let hear_all = json!({ "listen": "always" });
    assert_eq!(bench.change(THEIRS, OUR_TOKEN, hear_all).await.0, StatusCode::NOT_FOUND);
    let (_, untouched) = bench.ask(Method::GET, ONE, &place(THEIRS), THEIR_TOKEN, None).await;
    assert_eq!(
        (&untouched["listen"], &untouched["clients"][0]["id"]),
        (&json!("ready"), &json!("client"))
    );
    // Neither may add or remove, nor name an address beside the deployment.
    let (status, _) = bench.ask(Method::DELETE, ONE, &place(OURS), OUR_TOKEN, None).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let new = json!({ "organization": NOBODYS, "region": "usw2" });
    let (status, _) = bench.ask(Method::POST, ALL, ALL, OUR_TOKEN, Some(new)).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let hosts = json!({ "hosts": { "login": "http://127.0.0.1:1", "api": "http://127.0.0.1:2" } });
    assert_eq!(bench.change(OURS, OUR_TOKEN, hosts).await.0, StatusCode::FORBIDDEN);
    let (status, _) = bench.ask(Method::GET, ALL, ALL, "", None).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_history_says_who_changed_what_in_pages_and_outlives_the_organization() {
    let bench = Bench::start().await;
    bench.add(OURS, "key-of-ours").await;
    bench.change(OURS, OUR_TOKEN, json!({ "listen": "always" })).await;
    bench.ask(Method::DELETE, ONE, &place(OURS), OPERATOR, None).await;
    // Its own see it, too, though nothing else of it is there.
    let (_, page) = bench.history(OURS, OUR_TOKEN, "").await;
    assert_eq!((&page["organization"], &page["next"]), (&json!(OURS), &Value::Null));
    let [removed, changed, added] = &page["history"].as_array().unwrap()[..] else {
        panic!("{page:#}");
    };
    let told = |entry: &Value| {
        ["change", "by", "way", "kind", "key_set", "clients_set"].map(|name| entry[name].clone())
    };
    let expected =
        [json!(1), json!("olga"), json!("api"), json!("added"), json!(true), json!(true)];
    assert_eq!(told(added), expected);
    let expected =
        [json!(2), json!("grace"), json!("api"), json!("changed"), json!(false), json!(false)];
    assert_eq!(told(changed), expected);
    assert_eq!((&added["before"], &removed["after"]), (&Value::Null, &Value::Null));
    assert_eq!((&changed["before"], &removed["before"]), (&added["after"], &changed["after"]));
    let after = json!({
        "region": "usw2", "client_ids": ["client"], "listen": "always", "on_hold": "keep",
        "queues": [], "retention_days": null,
    });
    assert_eq!(changed["after"], after);
    let (_, first) = bench.history(OURS, OPERATOR, "?limit=2").await;
    assert_eq!((&first["history"], &first["next"]), (&json!([removed, changed]), &json!(2)));
    let (_, rest) = bench.history(OURS, OPERATOR, "?limit=2&before=2").await;
    assert_eq!((&rest["history"], &rest["next"]), (&json!([added]), &Value::Null));
    for bad in ["?limit=0", "?limit=501", "?before=x", "?agent=ada"] {
        assert_eq!(bench.history(OURS, OPERATOR, bad).await.0, StatusCode::BAD_REQUEST, "{bad}");
    }
}

#[tokio::test]
async fn anothers_history_is_as_none() {
    let bench = Bench::start().await;
    bench.add(THEIRS, "key-of-theirs").await;
    let (status, theirs) = bench.history(THEIRS, OUR_TOKEN, "").await;
    let (_, nobodys) = bench.history(NOBODYS, OUR_TOKEN, "").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(theirs.to_string().replace(THEIRS, NOBODYS), nobodys.to_string(), "the same words");
    assert_eq!(bench.history(OURS, OUR_TOKEN, "").await.0, StatusCode::NOT_FOUND, "never served");
    assert_eq!(bench.history(NOBODYS, OPERATOR, "").await.0, StatusCode::NOT_FOUND);
    assert_eq!(bench.history(THEIRS, OPERATOR, "").await.1["history"][0]["kind"], "added");
    assert_eq!(bench.history(THEIRS, "", "").await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_cannot_be_is_refused_by_its_field_and_no_secret_is_quoted() {
    let bench = Bench::start().await;
    bench.add(OURS, "key-of-ours").await;
    for (body, field) in [
        (json!({ "region": "atlantis" }), "region"),
        (json!({ "retention_days": 31 }), "retention_days"),
        (json!({ "clients": [{ "id": "", "secret": HUSH }] }), "clients"),
        (json!({ "key": { "id": "no blanks", "secret": KEY_SECRET } }), "key"),
        (json!({ "organization": THEIRS }), "organization"),
    ] {
        let (status, problem) = bench.change(OURS, OPERATOR, body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
    for body in [
        json!({ "listen": HUSH }),
        json!({ "clients": HUSH }),
        json!({ "key": { "id": "key-of-ours", "secrets": HUSH } }),
        json!({ "volume": HUSH }),
    ] {
        let (status, _) = bench.change(OURS, OPERATOR, body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let bad = bench.ask(Method::GET, ONE, &place("acme"), OPERATOR, None).await;
    assert_eq!(bad.0, StatusCode::NOT_FOUND);
}
