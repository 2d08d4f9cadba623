//! The function as API Gateway calls it, on the embedded store.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sidetone_ports_embedded::{DataDir, SecretFiles, Store};
use sidetone_users_api::NoPlatforms;

use super::*;

const CLAIM: &str = "sidetone_organization";
const OURS: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";
const THEIRS: &str = "1f0e0d0c-0b0a-4908-8706-050403020100";
const FILE: &str = "\
name,email,adaptor,team
Ada,ada@a.example,genesys-cloud,Billing
Bo,bo@a.example,avaya,Billing
";

struct Bench(
    Handler<Store, NoPlatforms, SecretFiles>,
    #[expect(dead_code, reason = "it goes with whoever holds it")] tempfile::TempDir,
);

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let secrets = SecretFiles::open(&DataDir::open(directory.path()).unwrap()).unwrap();
        let (store, claim) = (Store::in_memory().unwrap(), CLAIM.to_owned());
        Self(Handler::new(store, NoPlatforms, secrets, claim), directory)
    }

    async fn ask(&self, event: Value) -> Answer {
        self.0.answer(serde_json::from_value(event).unwrap(), Clock::system()).await
    }

    async fn import(&self, file: &str) -> Answer {
        let mut event = event("POST", "/v1/import", "");
        event["headers"]["content-type"] = "text/csv".into();
        event["body"] = file.into();
        self.ask(event).await
    }
}

/// A request of grace's, as AWS hands it over.
fn event(method: &str, path: &str, query: &str) -> Value {
    let mut event: Value = serde_json::from_str(include_str!("../../events/list.json")).unwrap();
    event["rawPath"] = path.into();
    event["rawQueryString"] = query.into();
    event["requestContext"]["http"]["method"] = method.into();
    event
}

fn with_claim(mut event: Value, name: &str, value: Value) -> Value {
    event["requestContext"]["authorizer"]["jwt"]["claims"][name] = value;
    event
}

fn body(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap()
}

#[tokio::test]
async fn requests_are_answered_by_the_router_in_the_tokens_name() {
    let bench = Bench::new();
    let imported = bench.import(FILE).await;
    assert_eq!((imported.status_code, &body(&imported)["change"]), (200, &json!(1)));
    let listed = bench.ask(event("GET", "/v1/users", "limit=2&find=ada")).await;
    assert_eq!(listed.headers["content-type"], "application/json");
    assert_eq!(body(&listed)["users"][0]["agent"], "ada");
    let mut create = event("POST", "/v1/users", "");
    create["headers"]["content-type"] = "application/json".into();
    let user = json!({ "name": "Di", "username": "di@a.example", "adaptor": "cisco" });
    create["body"] = STANDARD.encode(user.to_string()).into();
    create["isBase64Encoded"] = true.into();
    let created = bench.ask(create).await;
    assert_eq!((created.status_code, &*created.headers["location"]), (201, "/v1/users/di"));
    let history = bench.ask(event("GET", "/v1/history", "agent=di")).await;
    assert_eq!(body(&history)["history"][0]["by"], "grace@customer.example (00u1grace)");
    assert_eq!(body(&history)["history"][0]["way"], "api");
    let removed = bench.ask(event("DELETE", "/v1/users/di", "")).await;
    assert_eq!((removed.status_code, &*removed.body), (204, ""));
    let coverage = bench.ask(event("GET", "/v1/coverage", "")).await;
    assert_eq!(coverage.status_code, 409, "nobody entered a client: {}", coverage.body);
    let nothing = bench.ask(event("GET", "/v1/nothing", "")).await;
    assert_eq!(nothing.status_code, 404);
    assert_eq!(nothing.headers["content-type"], "application/problem+json");
}

#[tokio::test]
async fn organizations_are_set_up_by_an_operator_and_seen_by_their_own() {
    let bench = Bench::new();
    let operator = |event| with_claim(event, "sidetone_operator", "true".into());
    for id in [OURS, THEIRS] {
        let mut add = event("POST", "/v1/organizations", "");
        add["headers"]["content-type"] = "application/json".into();
        add["body"] = json!({ "organization": id, "region": "usw2" }).to_string().into();
        assert_eq!(bench.ask(add.clone()).await.status_code, 403, "grace operates nothing");
        assert_eq!(bench.ask(operator(add)).await.status_code, 201);
    }
    let all = bench.ask(operator(event("GET", "/v1/organizations", ""))).await;
    assert_eq!(body(&all)["organizations"].as_array().map(Vec::len), Some(2));
    let own = bench.ask(event("GET", "/v1/organizations", "")).await;
    let own = body(&own)["organizations"].clone();
    assert_eq!((own.as_array().map(Vec::len), &own[0]["organization"]), (Some(1), &json!(OURS)));
    let theirs = bench.ask(event("GET", &format!("/v1/organizations/{THEIRS}"), "")).await;
    assert_eq!(theirs.status_code, 404);
    let at = format!("/v1/organizations/{OURS}/history");
    let history = bench.ask(event("GET", &at, "limit=1")).await;
    let first = &body(&history)["history"][0];
    assert_eq!(
        (&first["kind"], &first["by"]),
        (&json!("added"), &json!("grace@customer.example (00u1grace)"))
    );
}

#[tokio::test]
async fn another_organizations_user_is_as_good_as_none() {
    let bench = Bench::new();
    bench.import(FILE).await;
    let theirs = |event| with_claim(event, CLAIM, THEIRS.into());
    let one = bench.ask(theirs(event("GET", "/v1/users/ada", ""))).await;
    let none = bench.ask(theirs(event("GET", "/v1/users/zoe", ""))).await;
    assert_eq!(one.status_code, 404);
    assert_eq!((one.body.replace("ada", "zoe"), &one.headers), (none.body, &none.headers));
    let export = bench.ask(theirs(event("GET", "/v1/export", ""))).await;
    assert_eq!(export.body.lines().count(), 1, "the heading alone");
}

#[tokio::test]
async fn nothing_is_answered_to_a_token_without_an_organization() {
    let bench = Bench::new();
    bench.import(FILE).await;
    let mut asked = event("GET", "/v1/users", &format!("{CLAIM}={THEIRS}"));
    asked["headers"][CLAIM] = THEIRS.into();
    for (method, path) in
        [("GET", "/v1/users"), ("DELETE", "/v1/users/ada"), ("GET", "/v1/openapi.json")]
    {
        asked["rawPath"] = path.into();
        asked["requestContext"]["http"]["method"] = method.into();
        let refused = bench.ask(with_claim(asked.clone(), CLAIM, Value::Null)).await;
        assert_eq!(refused.status_code, 403);
        assert_eq!(refused.headers["content-type"], "application/problem+json");
        assert_eq!(body(&refused)["detail"], format!("the token has no claim {CLAIM}"));
    }
    let mut bare = asked;
    bare["requestContext"]["authorizer"] = Value::Null;
    assert_eq!(bench.ask(bare).await.status_code, 403);
    assert_eq!(bench.ask(event("GET", "/v1/users/ada", "")).await.status_code, 200);
}
