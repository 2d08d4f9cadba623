//! The running server held against its contract: every documented operation is exercised, and
//! every answer is one that the contract knows, in the shape that it says.

#![allow(clippy::unwrap_used, reason = "a test says by failing that something is amiss")]

mod files;
mod guard;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use sidetone_genesys_sim::{
    Failure, Platform, PlatformConfig, SimGroup, SimQueue, SimUser, UserState,
};
use sidetone_model::OrganizationId;
use sidetone_ports::Clock;
use sidetone_ports_embedded::Store;
use sidetone_tracking::{Hosts, PlatformClient, Secret};
use sidetone_users_api::{
    ApiToken, Bearer, Caller, Guard, GuardError, NoClient, NoPlatforms, OPENAPI, Platforms,
    guarded, router,
};
use uuid::Uuid;

const OURS: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";
const THEIRS: &str = "1f0e0d0c-0b0a-4908-8706-050403020100";
const OUR_TOKEN: &str = "our-token-of-enough-characters";
const THEIR_TOKEN: &str = "their-token-of-enough-characters";

const USERS: &str = "/v1/users";
const USER: &str = "/v1/users/{agent}";
const IMPORT: &str = "/v1/import";
const EXPORT: &str = "/v1/export";
const UNDO: &str = "/v1/changes/{change}/undo";
const HISTORY: &str = "/v1/history";
const SYNC: &str = "/v1/users/sync";
const COVERAGE: &str = "/v1/coverage";
const CLIENT_ID: &str = "b0a1c2d3-0000-4000-8000-0000000c1e47";
const FILE: &str = "\
name,email,adaptor,team
Ada,ada@a.example,genesys-cloud,Billing
Bo,bo@a.example,genesys-cloud,Billing
Cy,cy@a.example,avaya,Returns
";

fn caller(organization: &str, name: &str) -> Caller {
    Caller { organization: organization.parse().unwrap(), name: name.to_owned() }
}

/// So that nobody has to wait as long as Genesys may take.
fn fast() -> Clock {
    Clock::scaled(40.0)
}

fn sim_user(number: u128, username: &str) -> SimUser {
    SimUser::new(sidetone_model::UserId::new(Uuid::from_u128(number)), username, "Invented")
}

/// A simulated Genesys Cloud of our organization, and its client.
async fn genesys(alter: impl FnOnce(&mut PlatformConfig)) -> (Platform, PlatformClient) {
    let (clock, ours) = (fast(), OURS.parse().unwrap());
    let users = vec![
        sim_user(1, "ada@a.example"),
        sim_user(2, "Lou@a.example"),
        sim_user(3, "max@a.example"),
        sim_user(4, "max@b.example"),
    ];
    let mut config = PlatformConfig::new(clock, ours, CLIENT_ID, "invented", users);
    let members = [1, 2].map(|number| (sim_user(number, "").id, true)).to_vec();
    config.queues = vec![SimQueue { id: Uuid::from_u128(7), name: "Billing".to_owned(), members }];
    config.groups = vec![SimGroup {
        id: Uuid::from_u128(8),
        name: "Night".to_owned(),
        members: vec![sim_user(6, "").id],
    }];
    alter(&mut config);
    let platform = Platform::start(config).await.unwrap();
    let (login, api) = platform.base_urls();
    let hosts = Hosts::loopback(&login, &api).unwrap();
    let client = PlatformClient::new(hosts, CLIENT_ID, Secret::new("invented"), clock);
    (platform, client.unwrap())
}

/// A host whose secret cannot be read.
#[derive(Clone)]
struct Locked;

impl Platforms for Locked {
    async fn platform(&self, _: OrganizationId) -> Result<Option<PlatformClient>, NoClient> {
        Err(NoClient::because("the vault is on fire"))
    }
}

/// A server on loopback, and what was exercised of its contract.
struct Bench {
    base: String,
    client: Client,
    contract: Value,
    exercised: Mutex<BTreeSet<String>>,
}

impl Bench {
    async fn start(guard: Guard, platforms: impl Platforms) -> Self {
        // Whoever was first installed the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let router = router(Store::in_memory().unwrap(), platforms, fast());
        let api = guarded(router, guard);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, api).await });
        let contract = serde_json::from_str(OPENAPI).unwrap();
        Self { base, client: Client::new(), contract, exercised: Mutex::default() }
    }

    /// Serves two organizations and knows nobody to ask.
    async fn with_tokens() -> Self {
        Self::asking(NoPlatforms).await
    }

    /// Serves two organizations, and asks for both with that client.
    async fn asking(platforms: impl Platforms) -> Self {
        let token = |secret: &str, caller| {
            let bearer = Bearer::Caller(caller);
            ApiToken { secret: secret.to_owned(), bearer }
        };
        let tokens = Guard::Tokens(vec![
            token(OUR_TOKEN, caller(OURS, "grace")),
            token(THEIR_TOKEN, caller(THEIRS, "mallory")),
        ]);
        Self::start(tokens, platforms).await
    }

    /// Asks, and holds the answer against what the contract says of the operation at `path`.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        at: &str,
        token: &str,
        with: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> (StatusCode, String) {
        let request = self.client.request(method.clone(), format!("{}{at}", self.base));
        let request = if token.is_empty() { request } else { request.bearer_auth(token) };
        let answer = with(request).send().await.unwrap();
        let name = method.as_str().to_lowercase();
        let operation = &self.contract["paths"][path][&name];
        assert!(operation.is_object(), "{name} {path} is not documented");
        self.exercised.lock().unwrap().insert(format!("{name} {path}"));
        self.check(operation, answer).await
    }

    async fn check(&self, operation: &Value, answer: Response) -> (StatusCode, String) {
        let (status, headers) = (answer.status(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        let mut documented = &operation["responses"][status.as_str()];
        if let Some(place) = documented["$ref"].as_str() {
            documented = self.contract.pointer(place.trim_start_matches('#')).unwrap();
        }
        let operation = &operation["operationId"];
        assert!(documented.is_object(), "{operation} does not know {status}: {text}");
        for (name, header) in documented["headers"].as_object().into_iter().flatten() {
            let needed = header["required"] == true;
            assert!(!needed || headers.contains_key(name), "{operation} {status} lacks {name}");
        }
        let Some(content) = documented["content"].as_object() else {
            assert_eq!(text, "", "{operation} {status} has no content");
            return (status, text);
        };
        let kind = headers["content-type"].to_str().unwrap();
        let kind = kind.split(';').next().unwrap();
        let media = content.get(kind).unwrap_or_else(|| panic!("{operation} {status}: {kind}"));
        if kind.ends_with("json") {
            let mut schema = media["schema"].clone();
            schema["components"] = self.contract["components"].clone();
            let value: Value = serde_json::from_str(&text).unwrap();
            let schema = jsonschema::validator_for(&schema).unwrap();
            let errors: Vec<_> = schema.iter_errors(&value).map(|it| it.to_string()).collect();
            assert!(errors.is_empty(), "{operation} {status}: {errors:?} in {text}");
        }
        (status, text)
    }

    async fn json(
        &self,
        method: Method,
        path: &str,
        at: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let with = |request: RequestBuilder| match &body {
            Some(body) => request.json(body),
            None => request,
        };
        let (status, text) = self.ask(method, path, at, OUR_TOKEN, with).await;
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    async fn import(&self, at: &str, file: &str) -> (StatusCode, Value) {
        let csv = file.to_owned();
        let with = |request: RequestBuilder| request.header("content-type", "text/csv").body(csv);
        let (status, text) = self.ask(Method::POST, IMPORT, at, OUR_TOKEN, with).await;
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Returns every operation of the contract.
    fn documented(&self) -> BTreeSet<String> {
        let paths = self.contract["paths"].as_object().unwrap().iter();
        let each = paths.flat_map(|(path, operations)| {
            let names = operations.as_object().unwrap().keys().filter(|name| *name != "parameters");
            names.map(move |name| format!("{name} {path}"))
        });
        each.collect()
    }
}

#[tokio::test(start_paused = true)]
async fn every_documented_operation_answers_as_documented() {
    let (platform, client) = genesys(|_| {}).await;
    let bench = Bench::asking(client).await;
    let (status, shown) = bench.import("/v1/import?dry_run=true", FILE).await;
    assert_eq!((status, &shown["counts"]["added"]), (StatusCode::OK, &json!(3)));
    let (_, none) = bench.json(Method::GET, USERS, USERS, None).await;
    assert_eq!(none["users"], json!([]), "a dry run changes nothing");
    let (_, imported) = bench.import(IMPORT, FILE).await;
    assert_eq!(imported["change"], 1);
    lists(&bench).await;
    one_user(&bench).await;
    history_and_the_way_back(&bench).await;
    covered(&bench).await;
    synced(&bench, &platform).await;

    let (_, file) = bench.ask(Method::GET, EXPORT, EXPORT, OUR_TOKEN, |it| it).await;
    let (_, again) = bench.import("/v1/import?replace=true", &file).await;
    assert_eq!((&again["change"], &again["counts"]["unchanged"]), (&Value::Null, &json!(4)));
    let contract = "/v1/openapi.json";
    let (_, served) = bench.json(Method::GET, contract, contract, None).await;
    assert_eq!(served, bench.contract);
    let exercised = bench.exercised.lock().unwrap().clone();
    assert_eq!(exercised, bench.documented(), "every operation is exercised");
    assert_eq!(platform.violations(), []);
}

async fn lists(bench: &Bench) {
    let (_, page) = bench.json(Method::GET, USERS, "/v1/users?limit=2", None).await;
    assert_eq!((&page["users"][1]["agent"], &page["next"]), (&json!("bo"), &json!("bo")));
    let (_, page) = bench.json(Method::GET, USERS, "/v1/users?limit=2&after=bo", None).await;
    assert_eq!((&page["users"][0]["agent"], &page["next"]), (&json!("cy"), &Value::Null));
    let (_, page) = bench.json(Method::GET, USERS, "/v1/users?find=BILLING%20ada", None).await;
    assert_eq!(page["users"].as_array().unwrap().len(), 1);
    let (status, bad) = bench.json(Method::GET, USERS, "/v1/users?limit=501", None).await;
    assert_eq!((status, &bad["errors"][0]["field"]), (StatusCode::BAD_REQUEST, &json!("limit")));
    let (status, _) = bench.json(Method::GET, USERS, "/v1/users?organization=x", None).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "nothing undocumented is understood");
}

async fn covered(bench: &Bench) {
    let at = "/v1/coverage?queue=billing&queue=BILLING";
    let (status, found) = bench.json(Method::GET, COVERAGE, at, None).await;
    assert_eq!((status, &found["organization"]), (StatusCode::OK, &json!(OURS)));
    let billing = json!({
        "id": Uuid::from_u128(7), "name": "Billing", "members": 2, "covered": 1,
    });
    assert_eq!(found["queues"], json!([billing]));
    let reasons: Vec<_> =
        found["not_covered"].as_array().unwrap().iter().map(|one| &one["reason"]).collect();
    assert_eq!(reasons, ["not-provisioned", "collision", "collision"]);
    for (at, field) in [("/v1/coverage?queue=Klaims", "queue"), ("/v1/coverage?q=x", "q")] {
        let (status, bad) = bench.json(Method::GET, COVERAGE, at, None).await;
        assert_eq!((status, &bad["errors"][0]["field"]), (StatusCode::BAD_REQUEST, &json!(field)));
    }
}

async fn synced(bench: &Bench, platform: &Platform) {
    let (ada, gone) = (sim_user(1, "ada@new.example"), sim_user(2, "lou@a.example"));
    platform.put_user(SimUser { name: "Ada Renamed".to_owned(), ..ada });
    platform.put_user(sim_user(5, "@a.example"));
    platform.put_user(sim_user(6, "eve@a.example"));
    let billing = json!({ "queues": ["Billing"], "dry_run": true });
    let (_, shown) = bench.json(Method::POST, SYNC, SYNC, Some(billing)).await;
    let seen = (&shown["dry_run"], &shown["change"], &shown["listed"], &shown["looked_at"]);
    assert_eq!(seen, (&json!(true), &Value::Null, &json!(6), &json!(2)));
    let told = |answer: &Value| -> Vec<String> {
        let changes = answer["changes"].as_array().unwrap().iter();
        changes.map(|one| format!("{} {}", one["kind"], one["agent"])).collect()
    };
    assert_eq!(told(&shown), [r#""changed" "ada""#, r#""added" "lou""#]);

    let (_, done) = bench.json(Method::POST, SYNC, SYNC, Some(json!({}))).await;
    assert_eq!(told(&done), [r#""changed" "ada""#, r#""added" "eve""#, r#""added" "lou""#]);
    let max = json!({ "agent": "max", "users": [Uuid::from_u128(3), Uuid::from_u128(4)] });
    assert_eq!(done["collisions"], json!([max]));
    assert_eq!(done["unusable"][0]["user_id"], json!(Uuid::from_u128(5)));
    assert_eq!(done["vanished"], json!(["bo"]));
    assert_eq!(done["other_username"], json!(["ada"]));
    let (_, ada) = bench.json(Method::GET, USER, "/v1/users/ada", None).await;
    assert_eq!((&ada["name"], &ada["team"]), (&json!("Ada Renamed"), &json!("Billing")));
    let (_, history) = bench.json(Method::GET, HISTORY, "/v1/history?limit=1", None).await;
    let last = &history["history"][0];
    assert_eq!((&last["way"], &last["by"]), (&json!("sync"), &json!("grace")));

    platform.put_user(SimUser { state: UserState::Inactive, ..gone });
    let mut removing = json!({ "groups": ["Night"], "remove_vanished": true });
    let (status, many) = bench.json(Method::POST, SYNC, SYNC, Some(removing.clone())).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(many["detail"].as_str().unwrap().contains("confirm_removals=2"), "{many}");
    removing["confirm_removals"] = json!(2);
    let (_, removed) = bench.json(Method::POST, SYNC, SYNC, Some(removing)).await;
    assert_eq!(told(&removed), [r#""removed" "bo""#, r#""removed" "lou""#]);
    for (body, field) in [
        (json!({ "queues": ["Klaims"] }), "queues"),
        (json!({ "groups": ["Klaims"] }), "groups"),
        (json!({ "divisions": ["Home", "Klaims"] }), "divisions"),
    ] {
        let (status, bad) = bench.json(Method::POST, SYNC, SYNC, Some(body)).await;
        assert_eq!((status, &bad["errors"][0]["field"]), (StatusCode::BAD_REQUEST, &json!(field)));
    }
    let (status, bad) = bench.json(Method::POST, SYNC, SYNC, Some(json!({ "team": 1 }))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(bad["detail"].as_str().unwrap().contains("team"), "{bad}");
    back_as_it_was(bench).await;
}

/// An agent may have the name of an operation; and what a sync did is undone.
async fn back_as_it_was(bench: &Bench) {
    let new = json!({ "name": "S", "username": "sync@a.example", "adaptor": "avaya" });
    bench.json(Method::POST, USERS, USERS, Some(new)).await;
    let (status, found) = bench.json(Method::GET, USER, SYNC, None).await;
    assert_eq!((status, &found["agent"]), (StatusCode::OK, &json!("sync")));
    let (status, _) = bench.json(Method::DELETE, USER, SYNC, None).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let post = bench.client.post(format!("{}/v1/users/ada", bench.base)).bearer_auth(OUR_TOKEN);
    let post = post.json(&json!({})).send().await.unwrap();
    assert_eq!(post.status(), StatusCode::METHOD_NOT_ALLOWED);
    for change in [7, 6] {
        let at = format!("/v1/changes/{change}/undo");
        let (status, undone) = bench.json(Method::POST, UNDO, &at, None).await;
        assert_eq!(status, StatusCode::OK, "{undone}");
    }
}

async fn one_user(bench: &Bench) {
    let new = json!({ "name": "Di", "username": "DI@a.example", "adaptor": "genesys-cloud" });
    let (status, made) = bench.json(Method::POST, USERS, USERS, Some(new.clone())).await;
    assert_eq!((status, &made["agent"]), (StatusCode::CREATED, &json!("di")));
    let (status, _) = bench.json(Method::POST, USERS, USERS, Some(new)).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let bad = json!({ "name": "", "username": "@", "adaptor": "nortel" });
    let (status, bad) = bench.json(Method::POST, USERS, USERS, Some(bad)).await;
    let fields: Vec<_> = bad["errors"].as_array().unwrap().iter().map(|e| &e["field"]).collect();
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(fields, ["name", "email", "adaptor"]);
    let (status, bad) = bench.json(Method::POST, USERS, USERS, Some(json!({ "pay": 1 }))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(bad["detail"].as_str().unwrap().contains("pay"), "{bad}");

    let (status, found) = bench.json(Method::GET, USER, "/v1/users/DI", None).await;
    assert_eq!((status, &found), (StatusCode::OK, &made));
    let moved = Some(json!({ "adaptor": "cisco" }));
    let (_, moved) = bench.json(Method::PATCH, USER, "/v1/users/di", moved).await;
    assert_eq!((&moved["adaptor"], &moved["name"]), (&json!("cisco"), &json!("Di")));
    let key = Some(json!({ "agent": "other" }));
    let (status, _) = bench.json(Method::PATCH, USER, "/v1/users/di", key).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (status, _) = bench.json(Method::DELETE, USER, "/v1/users/di", None).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, gone) = bench.json(Method::GET, USER, "/v1/users/di", None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(gone["detail"], "there is no user di");
}

async fn history_and_the_way_back(bench: &Bench) {
    let (_, page) = bench.json(Method::GET, HISTORY, "/v1/history?limit=2", None).await;
    let kinds: Vec<_> = page["history"].as_array().unwrap().iter().map(|e| &e["kind"]).collect();
    assert_eq!(kinds, ["removed", "moved"]);
    let entry = &page["history"][1];
    assert_eq!((&entry["by"], &entry["way"]), (&json!("grace"), &json!("api")));
    assert_eq!(entry["before"]["adaptor"], "genesys-cloud");
    let at = format!("/v1/history?agent=DI&before={}", page["next"].as_str().unwrap());
    let (_, rest) = bench.json(Method::GET, HISTORY, &at, None).await;
    assert_eq!(rest["history"].as_array().unwrap().len(), 1);
    let (status, _) = bench.json(Method::GET, HISTORY, "/v1/history?before=x", None).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);

    let tried = "/v1/changes/4/undo?dry_run=true";
    let (_, shown) = bench.json(Method::POST, UNDO, tried, None).await;
    assert_eq!(shown["changes"][0]["kind"], "added");
    let (_, undone) = bench.json(Method::POST, UNDO, "/v1/changes/4/undo", None).await;
    assert_eq!(undone["change"], 5);
    let (status, _) = bench.json(Method::POST, UNDO, "/v1/changes/4/undo", None).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let (status, _) = bench.json(Method::POST, UNDO, "/v1/changes/77/undo", None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn another_organizations_user_is_as_good_as_none() {
    let bench = Bench::with_tokens().await;
    bench.import(IMPORT, FILE).await;
    for method in [Method::GET, Method::PATCH, Method::DELETE] {
        let as_they = |at: &'static str| {
            let with = |request: RequestBuilder| request.json(&json!({ "team": "x" }));
            bench.ask(method.clone(), USER, at, THEIR_TOKEN, with)
        };
        let (theirs, text) = as_they("/v1/users/ada").await;
        let (nobodys, other) = as_they("/v1/users/zoe").await;
        assert_eq!((theirs, text.replace("ada", "zoe")), (nobodys, other));
        assert_eq!(theirs, StatusCode::NOT_FOUND);
    }
    let ways = [
        (Method::GET, USERS, USERS),
        (Method::GET, EXPORT, EXPORT),
        (Method::GET, HISTORY, "/v1/history?agent=ada"),
        (Method::POST, UNDO, "/v1/changes/1/undo"),
    ];
    for (method, path, at) in ways {
        let (_, text) = bench.ask(method, path, at, THEIR_TOKEN, |it| it).await;
        assert!(!text.contains("Billing") && !text.contains("a.example"), "{at}: {text}");
    }
    let (_, page) = bench.json(Method::GET, USERS, USERS, None).await;
    assert_eq!(page["users"].as_array().unwrap().len(), 3);
    assert_eq!(page["users"][0]["team"], "Billing");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_let_in_without_a_good_token() {
    let bench = Bench::with_tokens().await;
    for token in ["", "our-token-of-enough-character", "x"] {
        for (path, at) in [(USERS, USERS), (EXPORT, EXPORT), (USER, "/v1/users/ada")] {
            let (status, text) = bench.ask(Method::GET, path, at, token, |it| it).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{text}");
        }
    }
    let elsewhere = bench.client.get(format!("{}/v1/elsewhere", bench.base));
    let elsewhere = elsewhere.bearer_auth(OUR_TOKEN).send().await.unwrap();
    assert_eq!(elsewhere.status(), StatusCode::NOT_FOUND);
    assert_eq!(elsewhere.headers()["content-type"], "application/problem+json");
    let wrong = bench.client.put(format!("{}{USERS}", bench.base)).bearer_auth(OUR_TOKEN);
    assert_eq!(wrong.send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn answer_405_lists_the_methods_that_the_path_has() {
    let bench = Bench::with_tokens().await;
    let cases = [
        (Method::PUT, USERS, "GET,HEAD,POST"),
        (Method::POST, "/v1/users/ada", "GET,HEAD,PATCH,DELETE"),
        (Method::PUT, "/v1/users/ada", "GET,HEAD,PATCH,DELETE"),
        (Method::OPTIONS, SYNC, "POST"),
        (Method::DELETE, IMPORT, "POST"),
        (Method::POST, EXPORT, "GET,HEAD"),
    ];
    for (method, path, allowed) in cases {
        let wrong = bench.client.request(method.clone(), format!("{}{path}", bench.base));
        let answer = wrong.bearer_auth(OUR_TOKEN).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        assert_eq!(answer.headers()["allow"], allowed, "{method} {path}");
    }
}

#[tokio::test]
async fn null_is_no_value_of_a_field() {
    let bench = Bench::with_tokens().await;
    let ada = json!({ "name": "Ada", "username": "ada@a.example", "adaptor": "avaya" });
    let url = format!("{}{USERS}", bench.base);
    let added = bench.client.post(&url).bearer_auth(OUR_TOKEN).json(&ada);
    assert_eq!(added.send().await.unwrap().status(), StatusCode::CREATED);
    for field in ["name", "username", "adaptor", "team", "supervisor", "site", "status"] {
        let change = bench.client.patch(format!("{url}/ada")).bearer_auth(OUR_TOKEN);
        let answer = change.json(&json!({ field: null })).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{field}");
    }
}
