//! Who is let in, at both doors.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use sidetone_model::{ConversationId, ConversationKey, RefusalReport};
use sidetone_ports::CallStore;
use sidetone_tests_aws::{put_secret, random_secret, tables};
use uuid::Uuid;

use crate::client::{Client, Heard, Knock, open_parameters};
use crate::world::{World, deployed, until};

/// Handshakes a second while a secret changes.
const RATE: u32 = 20;

/// For how long before the change, and after it.
const STRETCH: Duration = Duration::from_secs(6);

/// Both doors.
fn doors(world: &World) -> [&str; 2] {
    [&world.stack().api_door, world.audio_url()]
}

#[test]
fn a_wrong_signature_is_refused_with_401_at_both_doors() {
    deployed(async |world| {
        for door in doors(world) {
            let stranger = Knock { secret: random_secret(), ..Knock::at(world, door) };
            assert_eq!(stranger.connect().await.map(drop), Err(401), "{door}");
            let stranger = Knock { key_id: "nobody".to_owned(), ..Knock::at(world, door) };
            assert_eq!(stranger.connect().await.map(drop), Err(401), "{door}");
        }
    });
}

#[test]
fn a_refusal_by_the_api_gateway_door_is_there_for_whoever_asks_why() {
    deployed(async |world| {
        // Only of an organization that is followed here.
        world.tracked().await;
        let store = world.aws.store(tables(world.stack()).expect("outputs"));
        let organization = world.at.genesys.organization;
        let conversation = ConversationId::new(Uuid::nil());
        let key = ConversationKey { organization, conversation };
        let name = format!("{}unknown_key", RefusalReport::ITEM_PREFIX);
        until("the refusal is kept", async || {
            let stranger =
                Knock { key_id: "nobody".to_owned(), ..Knock::at(world, &world.stack().api_door) };
            assert_eq!(stranger.connect().await.map(drop), Err(401));
            let items = store.query(key, world.clock.now()).await.expect("readable");
            items.into_iter().find(|item| item.name == name)
        })
        .await;
    });
}

#[test]
fn an_old_signature_is_refused() {
    deployed(async |world| {
        for door in doors(world) {
            let fresh = Knock::at(world, door);
            let old = world.clock.now().as_millis() - 600_000;
            let old = sidetone_model::Timestamp::from_millis(old);
            assert_eq!(Knock { now: old, ..fresh }.connect().await.map(drop), Err(401), "{door}");
        }
    });
}

/// Says how a door that let a repeat in gets rid of it, which it does before anything is
/// published.
async fn dismissal(world: &World, mut client: Client) -> Value {
    client.say("open", open_parameters(world, ConversationId::new(Uuid::new_v4()))).await;
    loop {
        match client.next().await {
            Heard::Said(said) if said["type"] == "disconnect" => return said["parameters"].clone(),
            Heard::Said(_) => {}
            Heard::Closed(code) => panic!("closed with {code:?}, without a word"),
        }
    }
}

#[test]
fn a_replay_is_refused_across_both_doors() {
    deployed(async |world| {
        let [api, audio] = doors(world);
        // Heard first by the ALB door.
        let first = Knock::at(world, audio);
        let client = first.connect().await.expect("let in");
        // Its shared memory is asked beside the answer; whoever opens has waited for it.
        let mut client = client;
        client.open(world, ConversationId::new(Uuid::new_v4())).await;
        let again = Knock { nonce: first.nonce.clone(), ..Knock::at(world, api) };
        assert_eq!(again.connect().await.map(drop), Err(401));
        client.close().await;
        // Heard first by the API Gateway door.
        let first = Knock::at(world, api);
        let client = first.connect().await.expect("let in");
        let again = Knock { nonce: first.nonce.clone(), ..Knock::at(world, api) };
        assert_eq!(again.connect().await.map(drop), Err(401));
        let again = Knock { nonce: first.nonce.clone(), ..Knock::at(world, audio) };
        match again.connect().await {
            Err(status) => assert_eq!(status, 401),
            Ok(repeat) => {
                let reason = dismissal(world, repeat).await;
                assert_eq!(reason["reason"], "unauthorized", "{reason}");
            }
        }
        drop(client);
    });
}

/// A key of its own beside the one that everybody uses.
struct Rotation<'a> {
    world: &'a World,
    key_id: String,
}

impl Rotation<'_> {
    /// Makes a client secret the key's current one, as people do by hand; the one before stays
    /// valid.
    async fn to(&self, secret: &str) {
        let name = self.world.stack().output("KeysSecretArn").expect("an output");
        let question = json!({ "SecretId": name });
        let target = "secretsmanager.GetSecretValue";
        let answer = self.world.cloud.json("secretsmanager", target, &question).await;
        let text = answer.expect("readable")["SecretString"].as_str().expect("a text").to_owned();
        let mut document: Value = serde_json::from_str(&text).expect("JSON");
        let keys = document["keys"].as_array_mut().expect("a list");
        keys.retain(|key| key["key_id"] != self.key_id.as_str());
        keys.push(json!({
            "key_id": self.key_id,
            "secrets": [secret],
            "organizations": [self.world.at.genesys.organization],
            "api_key_only": false,
        }));
        let document = json!({ "keys": keys });
        put_secret(&self.world.cloud, name, &document).await.expect("it is taken");
    }

    fn knock(&self, door: &str, secret: &str) -> Knock {
        let (key_id, secret) = (self.key_id.clone(), secret.to_owned());
        Knock { key_id, secret, ..Knock::at(self.world, door) }
    }

    /// Knocks for some time at both doors in turn, and returns the refusals.
    async fn knock_on(&self, secret: &str) -> Vec<u16> {
        let begun = tokio::time::Instant::now();
        let count = RATE * u32::try_from(STRETCH.as_secs()).expect("seconds");
        let knocks = (0..count).map(|number| async move {
            tokio::time::sleep_until(begun + Duration::from_secs(1) / RATE * number).await;
            let doors = doors(self.world);
            let door = doors[usize::from(number % 2 == 0)];
            // Let go at once: it is the handshake that counts.
            self.knock(door, secret).connect().await.err()
        });
        join_all(knocks).await.into_iter().flatten().collect()
    }
}

#[test]
fn a_secret_changes_under_load_without_a_refusal_and_the_retired_one_is_refused() {
    deployed(async |world| {
        let _alone = world.secrets.lock().await;
        let rotation = Rotation { world, key_id: format!("rotating-{}", Uuid::new_v4()) };
        let [first, second, third] = [random_secret(), random_secret(), random_secret()];
        rotation.to(&first).await;
        assert_eq!(rotation.knock_on(&first).await, Vec::<u16>::new());
        // Genesys changes a little later than we do, and knocks with both meanwhile.
        rotation.to(&second).await;
        let (old, new) = tokio::join!(rotation.knock_on(&first), rotation.knock_on(&second));
        assert_eq!((old, new), (vec![], vec![]));
        rotation.to(&third).await;
        assert_eq!(rotation.knock_on(&third).await, Vec::<u16>::new());
        for door in doors(world) {
            until("the retired secret is refused", async || {
                (rotation.knock(door, &first).connect().await.err() == Some(401)).then_some(())
            })
            .await;
            assert!(rotation.knock(door, &second).connect().await.is_ok(), "{door}");
        }
    });
}
