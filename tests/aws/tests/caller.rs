//! Who calls the HTTP API as it was deployed, with a token of the provider that it trusts.

use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use sidetone_tests_aws::Trust;
use uuid::Uuid;

use crate::world::World;

/// The claim that names a caller's organization.
pub(crate) const CLAIM: &str = "sidetone_organization";

/// Somebody who calls, with a token.
pub(crate) struct Caller {
    http: reqwest::Client,
    base: String,
    pub(crate) token: String,
}

impl Caller {
    /// Has a token for an organization of its own.
    pub(crate) fn new(world: &World) -> Self {
        let organization = Uuid::new_v4().to_string();
        Self::with(world, &json!({ CLAIM: organization, "email": "grace@a.example" }))
    }

    /// Has a token that says so, and for an hour that it is grace's.
    pub(crate) fn with(world: &World, more: &Value) -> Self {
        let now = world.clock.now().as_millis() / 1_000;
        let mut claims = json!({ "sub": "grace", "iat": now - 60, "exp": now + 3_600 });
        for (name, value) in more.as_object().expect("claims") {
            claims[name] = value.clone();
        }
        let token = world.at.issuer.token(&claims).expect("a key");
        Self::with_token(world, token)
    }

    pub(crate) fn with_token(world: &World, token: String) -> Self {
        let uri = world.stack().output("UsersApiUri").expect("an output");
        let id = uri.trim_start_matches("https://").split('.').next().expect("an id");
        let base = format!("{}/_aws/execute-api/{id}", world.at.endpoint);
        let trust = Trust::of(&world.at.authority).expect("a certificate");
        let http = trust.http(Duration::from_secs(60)).expect("a client");
        Self { http, base, token }
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        at: &str,
        kind: &str,
        body: Vec<u8>,
    ) -> Response {
        let request = self.http.request(method, format!("{}{at}", self.base));
        let request = request.bearer_auth(&self.token).header("content-type", kind);
        request.body(body).send().await.expect("the API answers")
    }

    pub(crate) async fn json(
        &self,
        method: Method,
        at: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        read(self.send(method, at, "application/json", body).await).await
    }

    pub(crate) async fn import(&self, file: &str) -> (StatusCode, Value) {
        read(self.send(Method::POST, "/v1/import", "text/csv", file.into()).await).await
    }
}

async fn read(answer: Response) -> (StatusCode, Value) {
    let (status, text) = (answer.status(), answer.text().await.expect("a body"));
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}
