//! Secrets that several change at once, on a service that keeps versions and labels as Secrets
//! Manager does.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use sidetone_ports::SecretSource;
use sidetone_testkit::{conformance, fresh_organization};

use super::*;
use crate::secrets::SecretsSource;
use crate::testing::{Answer, Asked, Fake};

const KEYS: &str = "keys";
const OAUTH: &str = "clients";
const CURRENT: &str = "AWSCURRENT";
const PREVIOUS: &str = "AWSPREVIOUS";

/// One secret: its versions, and which of them has which label.
#[derive(Debug, Default)]
struct Versioned {
    texts: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
}

impl Versioned {
    fn make_current(&mut self, id: &str) {
        if let Some(old) = self.labels.insert(CURRENT.to_owned(), id.to_owned()) {
            self.labels.insert(PREVIOUS.to_owned(), old);
        }
    }

    fn answer(&mut self, operation: &str, question: &Value) -> Answer {
        let text = |name: &str| question[name].as_str().unwrap_or_default().to_owned();
        let done = |value: Value| Answer::Done(value.to_string());
        match operation {
            "GetSecretValue" => {
                let stage = question["VersionStage"].as_str().unwrap_or(CURRENT);
                let Some(id) = self.labels.get(stage) else {
                    return Answer::Error(400, "ResourceNotFoundException");
                };
                done(json!({ "ARN": "arn", "VersionId": id, "SecretString": self.texts[id] }))
            }
            "PutSecretValue" => {
                let id = text("ClientRequestToken");
                self.texts.insert(id.clone(), text("SecretString"));
                for label in question["VersionStages"].as_array().into_iter().flatten() {
                    self.labels.insert(label.as_str().unwrap_or_default().to_owned(), id.clone());
                }
                done(json!({ "VersionId": id }))
            }
            "UpdateSecretVersionStage" => {
                if self.labels.get(CURRENT) != Some(&text("RemoveFromVersionId")) {
                    return Answer::Error(400, "InvalidParameterException");
                }
                self.make_current(&text("MoveToVersionId"));
                done(json!({ "ARN": "arn" }))
            }
            other => panic!("nobody asks for {other}"),
        }
    }
}

struct Service {
    fake: Fake,
    secrets: Arc<Mutex<BTreeMap<String, Versioned>>>,
}

impl Service {
    async fn start() -> Self {
        let secrets: Arc<Mutex<BTreeMap<String, Versioned>>> = Arc::default();
        let kept = Arc::clone(&secrets);
        let fake = Fake::start(move |asked: &Asked, _| {
            let question: Value = serde_json::from_str(&asked.body).expect("JSON");
            let id = question["SecretId"].as_str().expect("a secret").to_owned();
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.entry(id).or_default().answer(&asked.operation, &question)
        })
        .await;
        let service = Self { fake, secrets };
        service.put(KEYS, &json!({ "keys": [] }));
        service.put(OAUTH, &json!({ "client_id": "", "client_secret": "" }));
        service
    }

    /// Puts a version as people do by hand.
    fn put(&self, secret: &str, text: &Value) {
        let mut secrets = self.secrets.lock().unwrap();
        let secret = secrets.entry(secret.to_owned()).or_default();
        let id = format!("by-hand-{}", secret.texts.len());
        secret.texts.insert(id.clone(), text.to_string());
        secret.make_current(&id);
    }

    fn current(&self, secret: &str) -> Value {
        let secrets = self.secrets.lock().unwrap();
        let secret = &secrets[secret];
        serde_json::from_str(&secret.texts[&secret.labels[CURRENT]]).unwrap()
    }

    fn secrets(&self) -> ManagedSecrets {
        ManagedSecrets::new(&self.fake.config, KEYS.to_owned(), OAUTH.to_owned())
    }

    /// Returns a key's secrets as a door finds them.
    async fn good(&self, key_id: &str) -> Vec<String> {
        let source = SecretsSource::new(&self.fake.config, KEYS.to_owned());
        source.key(key_id).await.unwrap().map(|key| key.secrets).unwrap_or_default()
    }
}

fn entry(id: OrganizationId, key: &str, secret: &str) -> Value {
    json!({ "key_id": key, "secrets": [secret], "organizations": [id] })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms() {
    let service = Service::start().await;
    conformance::organization_secrets(service.secrets()).await;
    let asked = service.fake.asked();
    let puts = asked.iter().filter(|asked| asked.operation == "PutSecretValue").count();
    let moves = asked.iter().filter(|asked| asked.operation == "UpdateSecretVersionStage").count();
    assert_eq!(puts, moves, "nothing becomes the current version but by a comparison");
}

#[tokio::test]
async fn another_organizations_half_done_rotation_survives_a_change_and_can_be_ended() {
    let service = Service::start().await;
    let (own, other) = (fresh_organization(), fresh_organization());
    service
        .put(KEYS, &json!({ "keys": [entry(other, "theirs", "old"), entry(other, "gone", "x")] }));
    // By hand: the new secret, and a key that is to be replaced by another one.
    service.put(KEYS, &json!({ "keys": [entry(other, "theirs", "new")] }));
    assert_eq!(service.good("theirs").await, ["new", "old"]);
    for secret in ["a", "b", "c"] {
        service.secrets().add_key(own, "ours", secret).await.unwrap();
    }
    assert_eq!(service.good("theirs").await, ["new", "old"], "Genesys may send either");
    assert_eq!(service.good("gone").await, ["x"]);
    assert_eq!(service.good("ours").await, ["c", "b"]);
    // It ends when whoever began it says that this is all.
    let ours = service.current(KEYS)["keys"].as_array().unwrap()[1].clone();
    assert_eq!(ours["key_id"], "ours");
    let all = json!({ "keys": [entry(other, "theirs", "new"), ours], "complete": true });
    service.put(KEYS, &all);
    assert_eq!(service.good("theirs").await, ["new"]);
    assert_eq!(service.good("gone").await, [] as [String; 0]);
}

#[tokio::test]
async fn a_removed_organizations_key_is_refused_at_once() {
    let service = Service::start().await;
    let own = fresh_organization();
    service.secrets().add_key(own, "ours", "secret").await.unwrap();
    assert_eq!(service.good("ours").await, ["secret"]);
    assert_eq!(service.secrets().remove_keys(own).await.unwrap(), 1);
    assert_eq!(service.good("ours").await, [] as [String; 0], "although the version before has it");
}

#[tokio::test]
async fn what_stands_beside_it_stays_as_it_is() {
    let service = Service::start().await;
    let odd = json!({ "key_id": "odd", "secrets": "typed wrongly" });
    service.put(KEYS, &json!({ "keys": [odd.clone()] }));
    let client = json!({ "client_id": "first", "client_secret": "hush", "note": "by hand" });
    service.put(OAUTH, &client);
    let own = fresh_organization();
    service.secrets().add_key(own, "ours", "secret").await.unwrap();
    assert!(service.current(KEYS)["keys"].as_array().unwrap().contains(&odd));
    let (client_id, client_secret) = ("id".to_owned(), "secret".to_owned());
    let stored = StoredClient { organization: own, client_id, client_secret };
    service.secrets().replace_clients(own, vec![stored.clone()]).await.unwrap();
    let document = service.current(OAUTH);
    assert_eq!((&document["client_id"], &document["note"]), (&json!("first"), &json!("by hand")));
    let known = genesys::parse(&document.to_string()).unwrap();
    assert!(known.configured.is_some() && known.organizations[&own] == [stored]);
}

#[tokio::test]
async fn more_than_the_service_keeps_is_refused_and_nothing_is_written() {
    let service = Service::start().await;
    let before = service.current(OAUTH);
    let (organization, client_id) = (fresh_organization(), "id".to_owned());
    let client = StoredClient { organization, client_id, client_secret: "hush".repeat(20_000) };
    let error = service.secrets().replace_clients(organization, vec![client]).await.unwrap_err();
    let SecretsError::Full { bytes, bytes_max: 65_536, .. } = error else { panic!("{error:?}") };
    assert!(bytes > 80_000);
    assert_eq!(service.current(OAUTH), before);
    service.put(OAUTH, &json!("hush"));
    let error = service.secrets().replace_clients(organization, Vec::new()).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
}
