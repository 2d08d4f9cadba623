//! Two organizations more in one stack, set up and removed by the `sidetone` command, each with a
//! simulated Genesys Cloud of its own.

use std::path::{Path, PathBuf};

use serde_json::Value;
use sidetone_consumer::{Origin, recording_name};
use sidetone_genesys_sim::{Cast, Platform, Played, Scenario, Script};
use sidetone_model::{ConversationId, ConversationKey, OrganizationId};
use sidetone_ports::UserStore;
use sidetone_tests_aws::{Genesys, free_ports, random_secret, tables};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::calls::recording;
use crate::client::{Knock, open_parameters_of};
use crate::stream::Ledger;
use crate::world::{World, deployed, until};

/// One of them.
struct Tenant {
    genesys: Genesys,
    platform: Platform,
}

impl Tenant {
    async fn start(world: &World) -> Self {
        let genesys = Genesys {
            organization: OrganizationId::new(Uuid::new_v4()),
            key_id: format!("tenant-{}", Uuid::new_v4().simple()),
            client_id: Uuid::new_v4().to_string(),
            ..Genesys::new(free_ports(3).expect("free ports"))
        };
        let platform = genesys.start(world.clock).await.expect("its Genesys Cloud starts");
        let store = world.aws.store(tables(world.stack()).expect("outputs"));
        store.put_users(genesys.organization, &Cast::ours()).await.expect("users are taken");
        Self { genesys, platform }
    }

    fn id(&self) -> String {
        self.genesys.organization.to_string()
    }

    /// Sets it up as an administrator does.
    async fn add(&self, world: &World, listen: &str, days: &str) -> Value {
        let client = secret_file(world, &self.genesys.client_secret);
        let key = secret_file(world, &self.genesys.key_secret);
        let (login, api) = self.genesys.base_urls();
        let client = format!("{}={}", self.genesys.client_id, client.display());
        let key = key.display().to_string();
        let id = self.id();
        let what = ["org", "add", &id, "--login-url", &login, "--api-url", &api];
        let secrets = ["--client", &client, "--key-id", &self.genesys.key_id];
        let more = ["--key-secret-file", &key, "--listen", listen, "--retention-days", days];
        sidetone(world, &[&what[..], &secrets, &more].concat()).await
    }

    /// Knocks at a door with its own credentials.
    fn knock(&self, world: &World, door: &str) -> Knock {
        Knock {
            organization: self.id(),
            key_id: self.genesys.key_id.clone(),
            secret: self.genesys.key_secret.clone(),
            ..Knock::at(world, door)
        }
    }

    /// Says whether a call that nobody answered begins paused.
    async fn starts_paused(&self, world: &World) -> Option<bool> {
        let mut client = self.knock(world, world.audio_url()).connect().await.ok()?;
        let call = ConversationId::new(Uuid::new_v4());
        client.say("open", open_parameters_of(self.genesys.organization, call)).await;
        let opened = client.hear("opened").await;
        client.close().await;
        opened["parameters"]["startPaused"].as_bool()
    }

    async fn play(&self, world: &World) -> Played {
        let stage = self.genesys.stage(world.clock, &self.platform, world.audio_url());
        let script = Script::new(Scenario::Answered, 7);
        stage.expect("an address").play(script, &CancellationToken::new()).await
    }
}

/// Writes a secret where only the command reads it.
fn secret_file(world: &World, secret: &str) -> PathBuf {
    let file = world.at.run.join(format!("secret-{}", Uuid::new_v4()));
    std::fs::write(&file, secret).expect("writable");
    file
}

/// Runs the command on the stack, which must do what it is told, and tell no secret.
async fn sidetone(world: &World, arguments: &[&str]) -> Value {
    let binary = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/debug/sidetone");
    let mut command = Command::new(binary);
    command.args(["--stack", &world.stack().name, "--json"]).args(arguments);
    let ended = command.envs(world.at.environment()).output().await.expect("it runs");
    let error = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{arguments:?}: {error}");
    serde_json::from_slice(&ended.stdout).expect("JSON")
}

/// Asserts that a call was matched, heard and published as its organization's alone.
async fn assert_own(world: &World, tenant: &Tenant, played: &Played) {
    let report = &played.sessions[0];
    assert!(report.is_clean(), "{report:#?}");
    let whose = |origin: &Origin| origin.session.key.organization;
    until("its audio is in the stream", async || {
        let ledger = Ledger::read(world, world.stack()).await;
        let organizations: Vec<_> = ledger.origins(report.session).map(whose).collect();
        assert!(organizations.iter().all(|id| *id == tenant.genesys.organization));
        (!ledger.audio(report.session).is_empty()).then_some(())
    })
    .await;
    let ledger = Ledger::read(world, world.stack()).await;
    let agent = &played.truth.sessions[0].segments[0].agent;
    let named = ledger.audio(report.session).iter().any(|audio| audio.agent_id == agent.as_str());
    assert!(named, "its agent is known");
}

#[test]
fn two_organizations_in_one_stack_have_nothing_to_do_with_each_other() {
    deployed(async |world| {
        let (one, other) = (Tenant::start(world).await, Tenant::start(world).await);
        {
            let _alone = world.secrets.lock().await;
            let (added, second) =
                tokio::join!(one.add(world, "always", "30"), other.add(world, "matched", "0"));
            for (shown, tenant) in [(&added, &one), (&second, &other)] {
                assert_eq!(shown["organization"], tenant.id().as_str());
                assert_eq!(shown["clients"][0]["has_secret"], true, "{shown}");
                assert_eq!(shown["keys"].as_array().map(Vec::len), Some(1), "{shown}");
                for secret in [&tenant.genesys.client_secret, &tenant.genesys.key_secret] {
                    assert!(!shown.to_string().contains(secret.as_str()));
                }
            }
        }
        // Neither opens a session with the other's key, at any door.
        for door in [&world.stack().api_door, world.audio_url()] {
            for (key_of, tenant) in [(&one, &other), (&other, &one)] {
                let thief = Knock { organization: tenant.id(), ..key_of.knock(world, door) };
                assert_eq!(thief.connect().await.map(drop), Err(401), "{door}");
                let stranger = Knock { secret: random_secret(), ..tenant.knock(world, door) };
                assert_eq!(stranger.connect().await.map(drop), Err(401), "{door}");
                assert!(tenant.knock(world, door).connect().await.is_ok(), "{door}");
            }
        }
        // Each listens as it was set.
        until("the first one listens always", async || {
            (one.starts_paused(world).await == Some(false)).then_some(())
        })
        .await;
        assert_eq!(other.starts_paused(world).await, Some(true));
        for tenant in [&one, &other] {
            until("it is followed", async || {
                let stats = tenant.platform.stats();
                (stats.sockets_open > 0 && stats.topics > 0).then_some(())
            })
            .await;
        }
        // The same agents, at the same time.
        let (played, others) = tokio::join!(one.play(world), other.play(world));
        assert_own(world, &one, &played).await;
        assert_own(world, &other, &others).await;
        // Each recording says for how long it is kept.
        for (tenant, played, days) in [(&one, &played, "30"), (&other, &others, "default")] {
            let organization = tenant.genesys.organization;
            let key = ConversationKey { organization, conversation: played.conversation };
            recording(world, key, played.sessions[0].session).await;
            let name = recording_name(key, played.sessions[0].session);
            let bucket = world.stack().output("RecordingsBucket").expect("an output");
            for key in ["wav", "json"].map(|kind| format!("recordings/{name}.{kind}")) {
                let tags = world.cloud.tags(bucket, &key).await.expect("tags");
                assert!(tags.contains("<Key>retention-days</Key>"), "{tags}");
                assert!(tags.contains(&format!("<Value>{days}</Value>")), "{tags}");
            }
        }
        {
            let _alone = world.secrets.lock().await;
            let removed = sidetone(world, &["org", "remove", &one.id(), "--yes"]).await;
            assert_eq!((&removed["keys"], &removed["clients"]), (&1.into(), &1.into()));
        }
        let history = sidetone(world, &["org", "history", &one.id()]).await;
        let kinds = history["history"].as_array().expect("a list").iter().map(|it| &it["kind"]);
        let kinds: Vec<_> = kinds.collect();
        assert_eq!(
            (kinds.first(), kinds.last()),
            (Some(&&"removed".into()), Some(&&"added".into()))
        );
        until("the removed one is let in no more", async || {
            let knock = one.knock(world, world.audio_url());
            (knock.connect().await.err() == Some(401)).then_some(())
        })
        .await;
        assert!(other.knock(world, world.audio_url()).connect().await.is_ok());
        until("nobody asks its platform any more", async || {
            (one.platform.stats().sockets_open == 0).then_some(())
        })
        .await;
        // Another test kills the tracker now and then.
        until("the other one is followed", async || {
            (other.platform.stats().sockets_open > 0).then_some(())
        })
        .await;
        let listed = sidetone(world, &["org", "list"]).await;
        let ids: Vec<_> = listed["organizations"].as_array().expect("a list").iter().collect();
        assert!(ids.iter().all(|shown| shown["organization"] != one.id().as_str()));
        {
            let _alone = world.secrets.lock().await;
            sidetone(world, &["org", "remove", &other.id(), "--yes"]).await;
        }
        for tenant in [one, other] {
            let violations = tenant.platform.violations();
            assert!(violations.is_empty(), "{violations:?}");
            tenant.platform.stop().await;
        }
    });
}
