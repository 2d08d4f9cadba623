//! The organizations API as it was deployed: operators, callers of an organization, and what the
//! doors make of it.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sidetone_model::{ConversationId, OrganizationId};
use sidetone_tests_aws::random_secret;
use uuid::Uuid;

use crate::caller::{CLAIM, Caller};
use crate::client::{Knock, open_parameters_of};
use crate::world::{World, deployed, until};

const ALL: &str = "/v1/organizations";

/// An organization that nobody knows yet; it has no OAuth client, so nobody asks Genesys for it.
struct Newcomer {
    id: OrganizationId,
    key_id: String,
    secret: String,
}

impl Newcomer {
    fn new() -> Self {
        Self {
            id: OrganizationId::new(Uuid::new_v4()),
            key_id: format!("newcomer-{}", Uuid::new_v4().simple()),
            secret: random_secret(),
        }
    }

    fn body(&self) -> Value {
        json!({
            "organization": self.id,
            "region": "us_west_2",
            "key": { "id": self.key_id, "secret": self.secret },
            "queues": ["Billing"],
        })
    }

    fn at(&self) -> String {
        format!("{ALL}/{}", self.id)
    }

    fn caller(&self, world: &World) -> Caller {
        Caller::with(world, &json!({ CLAIM: self.id }))
    }

    fn knock(&self, world: &World, door: &str) -> Knock {
        Knock {
            organization: self.id.to_string(),
            key_id: self.key_id.clone(),
            secret: self.secret.clone(),
            ..Knock::at(world, door)
        }
    }

    /// Says whether a call that nobody answered begins paused.
    async fn starts_paused(&self, world: &World) -> Option<bool> {
        let mut client = self.knock(world, world.audio_url()).connect().await.ok()?;
        let call = ConversationId::new(Uuid::new_v4());
        client.say("open", open_parameters_of(self.id, call)).await;
        let opened = client.hear("opened").await;
        client.close().await;
        opened["parameters"]["startPaused"].as_bool()
    }
}

/// Asserts that a stranger is told of an organization what it is told of none.
async fn assert_as_good_as_none(stranger: &Caller, there: &str) {
    let none = Uuid::new_v4().to_string();
    let always = json!({ "listen": "always" });
    for (method, body) in
        [(Method::GET, None), (Method::PATCH, Some(always)), (Method::DELETE, None)]
    {
        let ask = async |id: &str| {
            stranger.json(method.clone(), &format!("{ALL}/{id}"), body.clone()).await
        };
        let ((status, one), (_, other)) = (ask(there).await, ask(&none).await);
        assert_eq!(status, StatusCode::NOT_FOUND, "{one}");
        assert_eq!(one.to_string().replace(there, &none), other.to_string());
    }
    let (_, listed) = stranger.json(Method::GET, ALL, None).await;
    assert_eq!(listed["organizations"], json!([]));
}

#[test]
fn an_operator_adds_and_removes_and_the_organization_changes_its_own() {
    deployed(async |world| {
        let operator = Caller::with(world, &json!({ "sidetone_operator": "true" }));
        let newcomer = Newcomer::new();
        let (own, at) = (newcomer.caller(world), newcomer.at());
        {
            let _alone = world.secrets.lock().await;
            let add = || Some(newcomer.body());
            let (status, _) = own.json(Method::POST, ALL, add()).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "an operator's affair");
            let (status, added) = operator.json(Method::POST, ALL, add()).await;
            assert_eq!(status, StatusCode::CREATED, "{added}");
            assert_eq!(
                (&added["organization"], &added["keys"][0]["live_secrets"]),
                (&json!(newcomer.id), &json!(1))
            );
            assert!(!added.to_string().contains(&newcomer.secret));
            let (status, _) = operator.json(Method::POST, ALL, add()).await;
            assert_eq!(status, StatusCode::CONFLICT);
        }
        for door in [&world.stack().api_door, world.audio_url()] {
            assert!(newcomer.knock(world, door).connect().await.is_ok(), "{door}");
        }
        assert_eq!(newcomer.starts_paused(world).await, Some(true));
        let always = Some(json!({ "listen": "always" }));
        let (status, changed) = own.json(Method::PATCH, &at, always).await;
        assert_eq!((status, &changed["listen"]), (StatusCode::OK, &json!("always")), "{changed}");
        assert_eq!(changed["queues"], json!(["Billing"]), "what is not named stays");
        until("the door listens always", async || {
            (newcomer.starts_paused(world).await == Some(false)).then_some(())
        })
        .await;

        let (_, listed) = own.json(Method::GET, ALL, None).await;
        assert_eq!(listed["organizations"], json!([changed]), "it sees itself alone");
        assert_as_good_as_none(&Caller::new(world), &newcomer.id.to_string()).await;
        let (status, _) = own.json(Method::DELETE, &at, None).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        {
            let _alone = world.secrets.lock().await;
            let (status, removed) = operator.json(Method::DELETE, &at, None).await;
            assert_eq!((status, &removed["keys"]), (StatusCode::OK, &json!(1)), "{removed}");
        }
        let (_, page) = own.json(Method::GET, &format!("{at}/history"), None).await;
        let history = page["history"].as_array().expect("a history").iter();
        let kinds: Vec<_> = history.map(|entry| &entry["kind"]).collect();
        assert_eq!(kinds, ["removed", "changed", "added"], "it outlives the organization");
        assert!(!page.to_string().contains(&newcomer.secret));
        until("it is let in no more", async || {
            let knock = newcomer.knock(world, world.audio_url());
            (knock.connect().await.err() == Some(401)).then_some(())
        })
        .await;
    });
}
