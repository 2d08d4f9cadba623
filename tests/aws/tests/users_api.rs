//! The users API as it was deployed: real tokens, the gateway's authorizer, the function behind it.

use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use sidetone_tests_aws::Trust;
use uuid::Uuid;

use crate::world::{World, deployed};

const CLAIM: &str = "sidetone_organization";
const FILE: &str = "\
name,email,adaptor,team
Ada,ada@a.example,genesys-cloud,Billing
Bo,bo@a.example,avaya,Billing
";

/// Somebody who calls, with a token.
struct Caller {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Caller {
    /// Has a token for an organization of its own.
    fn new(world: &World) -> Self {
        let organization = Uuid::new_v4().to_string();
        Self::with(world, &json!({ CLAIM: organization, "email": "grace@a.example" }))
    }

    /// Has a token that says so, and for an hour that it is grace's.
    fn with(world: &World, more: &Value) -> Self {
        let now = world.clock.now().as_millis() / 1_000;
        let mut claims = json!({ "sub": "grace", "iat": now - 60, "exp": now + 3_600 });
        for (name, value) in more.as_object().expect("claims") {
            claims[name] = value.clone();
        }
        let token = world.at.issuer.token(&claims).expect("a key");
        Self::with_token(world, token)
    }

    fn with_token(world: &World, token: String) -> Self {
        let uri = world.stack().output("UsersApiUri").expect("an output");
        let id = uri.trim_start_matches("https://").split('.').next().expect("an id");
        let base = format!("{}/_aws/execute-api/{id}", world.at.endpoint);
        let trust = Trust::of(&world.at.authority).expect("a certificate");
        let http = trust.http(Duration::from_secs(60)).expect("a client");
        Self { http, base, token }
    }

    async fn send(&self, method: Method, at: &str, kind: &str, body: Vec<u8>) -> Response {
        let request = self.http.request(method, format!("{}{at}", self.base));
        let request = request.bearer_auth(&self.token).header("content-type", kind);
        request.body(body).send().await.expect("the API answers")
    }

    async fn json(&self, method: Method, at: &str, body: Option<Value>) -> (StatusCode, Value) {
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        read(self.send(method, at, "application/json", body).await).await
    }

    async fn import(&self, file: &str) -> (StatusCode, Value) {
        read(self.send(Method::POST, "/v1/import", "text/csv", file.into()).await).await
    }
}

async fn read(answer: Response) -> (StatusCode, Value) {
    let (status, text) = (answer.status(), answer.text().await.expect("a body"));
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

#[test]
fn users_are_listed_made_found_changed_and_remembered() {
    deployed(async |world| {
        let caller = Caller::new(world);
        let (status, imported) = caller.import(FILE).await;
        assert_eq!((status, &imported["counts"]["added"]), (StatusCode::OK, &json!(2)));
        let (status, bad) = caller.import(&format!("{FILE}Cy,,nortel,\n")).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(bad["errors"][0], json!({ "row": 4, "field": "email", "reason": "is empty" }));

        let new = json!({ "name": "J\u{f6}rg", "username": "j\u{f6}rg+1@a.example",
                          "adaptor": "genesys-cloud" });
        let (status, made) = caller.json(Method::POST, "/v1/users", Some(new)).await;
        assert_eq!((status, &made["agent"]), (StatusCode::CREATED, &json!("j\u{f6}rg+1")));
        let at = "/v1/users/j%C3%B6rg+1";
        let moved = json!({ "adaptor": "cisco" });
        let (_, moved) = caller.json(Method::PATCH, at, Some(moved)).await;
        assert_eq!(moved["adaptor"], "cisco");
        let (_, found) = caller.json(Method::GET, at, None).await;
        assert_eq!(found, moved);
        let (_, page) =
            caller.json(Method::GET, "/v1/users?limit=1&find=BILLING%20ada", None).await;
        assert_eq!((&page["users"][0]["agent"], &page["next"]), (&json!("ada"), &Value::Null));

        let (_, page) = caller.json(Method::GET, "/v1/history?limit=2", None).await;
        let entry = &page["history"][0];
        assert_eq!((&entry["kind"], &entry["way"]), (&json!("moved"), &json!("api")));
        assert_eq!(entry["by"], "grace@a.example (grace)");
        let (status, _) = caller.json(Method::POST, "/v1/changes/3/undo", None).await;
        assert_eq!(status, StatusCode::OK);
        let (status, _) = caller.json(Method::DELETE, at, None).await;
        assert_eq!(status, StatusCode::NO_CONTENT);
        let export = caller.send(Method::GET, "/v1/export", "", Vec::new()).await;
        assert_eq!(export.headers()["content-type"], "text/csv; charset=utf-8");
        assert_eq!(export.text().await.expect("a file").lines().count(), 3);
    });
}

#[test]
fn another_organizations_user_is_as_good_as_none() {
    deployed(async |world| {
        let (ours, theirs) = (Caller::new(world), Caller::new(world));
        ours.import(FILE).await;
        for method in [Method::GET, Method::PATCH, Method::DELETE] {
            let body = || Some(json!({ "team": "x" }));
            let (status, one) = theirs.json(method.clone(), "/v1/users/ada", body()).await;
            let (_, none) = theirs.json(method, "/v1/users/zoe", body()).await;
            assert_eq!(status, StatusCode::NOT_FOUND);
            assert_eq!(one.to_string().replace("ada", "zoe"), none.to_string());
        }
        let (_, page) = theirs.json(Method::GET, "/v1/users", None).await;
        assert_eq!(page["users"], json!([]));
        let (_, ada) = ours.json(Method::GET, "/v1/users/ada", None).await;
        assert_eq!(ada["team"], "Billing");
    });
}

#[test]
fn nobody_is_let_in_without_a_good_token_that_names_an_organization() {
    deployed(async |world| {
        let refused = async |caller: &Caller| caller.json(Method::GET, "/v1/users", None).await;
        let organization = Uuid::new_v4().to_string();
        let now = world.clock.now().as_millis() / 1_000;
        for wrong in [
            json!({ CLAIM: organization, "aud": "another" }),
            json!({ CLAIM: organization, "iss": "https://another.example" }),
            json!({ CLAIM: organization, "exp": now - 60 }),
        ] {
            let (status, _) = refused(&Caller::with(world, &wrong)).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{wrong}");
        }
        let good = Caller::new(world);
        let (signed, signature) = good.token.rsplit_once('.').expect("a signature");
        let forged = signature.replace(['A', 'B', 'C', 'D'], "E");
        for token in [String::new(), format!("{signed}.{forged}"), "x".to_owned()] {
            let (status, _) = refused(&Caller::with_token(world, token)).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED);
        }
        for claims in [json!({}), json!({ CLAIM: "acme" }), json!({ CLAIM: [organization] })] {
            let (status, problem) = refused(&Caller::with(world, &claims)).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{claims}");
            let detail = problem["detail"].as_str().expect("a detail");
            assert!(detail.contains(CLAIM), "{detail}");
        }
        let (status, _) = refused(&good).await;
        assert_eq!(status, StatusCode::OK);
    });
}

#[test]
fn genesys_is_asked_by_the_stacks_own_client() {
    deployed(async |world| {
        let ours = json!({ CLAIM: world.at.genesys.organization });
        let ours = Caller::with(world, &ours);
        let (status, coverage) = ours.json(Method::GET, "/v1/coverage", None).await;
        assert_eq!(status, StatusCode::OK, "{coverage}");
        assert_eq!(coverage["organization"], json!(world.at.genesys.organization));
        let tried = || Some(json!({ "dry_run": true }));
        let (status, synced) = ours.json(Method::POST, "/v1/users/sync", tried()).await;
        assert_eq!((status, &synced["change"]), (StatusCode::OK, &Value::Null), "{synced}");
        assert!(synced["listed"].as_u64() > Some(1), "{synced}");
        assert_eq!(synced["looked_at"], synced["listed"]);
        let theirs = Caller::new(world);
        for (method, at, body) in
            [(Method::GET, "/v1/coverage", None), (Method::POST, "/v1/users/sync", tried())]
        {
            let (status, problem) = theirs.json(method, at, body).await;
            assert!(status.is_client_error(), "another's people are not told: {problem}");
        }
    });
}

#[test]
fn what_is_too_large_for_the_gateway_is_told_of_the_bucket_and_large_answers_are_compressed() {
    deployed(async |world| {
        let caller = Caller::new(world);
        let row = |number: u32| format!("A {number},a{number}@a.example,avaya,{number}\n");
        let rows = |count| (0..count).map(row).collect::<String>();
        let large = format!("name,email,adaptor,team\n{}", rows(120_000));
        let (status, problem) = caller.import(&large).await;
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{problem}");
        assert!(problem["detail"].to_string().contains("UsersBucketName"), "{problem}");
        let file = format!("name,email,adaptor,team\n{}", rows(8_000));
        let tried = caller.send(Method::POST, "/v1/import?dry_run=true", "text/csv", file.into());
        let tried = tried.await;
        assert_eq!(tried.status(), StatusCode::OK);
        assert_eq!(tried.headers()["content-encoding"], "gzip");
    });
}
