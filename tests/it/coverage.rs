//! Who works in a queue and is not listened to, as the command finds it out.

use serde_json::Value;
use sidetone_genesys_sim::{Cast, SimQueue, Standing};
use uuid::Uuid;

use crate::world::{Finished, LiveCall, PATIENCE, Process, Site, ada, bo, sidetone, until};

fn agents(found: &Value) -> Vec<&str> {
    found.as_array().expect("a list").iter().map(|one| one.as_str().expect("a text")).collect()
}

async fn coverage(site: &Site, more: &[&str]) -> Finished {
    let config = site.config().display().to_string();
    site.sidetone([&["coverage", "--config", &config], more].concat()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queue_members_who_are_not_provisioned_and_users_never_seen_are_named() {
    let unknown = Cast::of(Standing::Unknown).next().expect("the cast has one");
    let site = Site::with("", |platform| {
        // More members than one page holds; those who are nobody cannot sign in.
        let ghosts = (0..250).map(|number| Uuid::from_u128(number).to_string());
        let ghosts = ghosts.map(|id| (id.parse().expect("a UUID"), true));
        let people = [(ada().id, true), (unknown.id, false)];
        let queue = |number, name: &str, members| SimQueue {
            id: Uuid::from_u128(number),
            name: name.to_owned(),
            members,
        };
        platform.queues = vec![
            queue(1, "Billing", ghosts.chain(people).collect()),
            queue(2, "Claims", vec![(bo().id, true)]),
        ];
    })
    .await;
    let running = site.run().await;
    let mut call = LiveCall::begin(&site);
    call.ring(ada());
    call.answer(ada());
    let found = until("ada was on a call", || async {
        let found = coverage(&site, &["--json"]).await.json();
        let never = agents(&found["never_on_a_call"]);
        (!never.contains(&ada().agent().as_str())).then_some(found.clone())
    })
    .await;
    assert!(agents(&found["never_on_a_call"]).contains(&bo().agent().as_str()), "{found:#}");
    let [only] = found["not_covered"].as_array().expect("a list").as_slice() else {
        panic!("one is not covered: {found:#}")
    };
    assert_eq!(
        (&only["user_id"], &only["reason"], &only["username"]),
        (&unknown.id.to_string().into(), &"not-provisioned".into(), &unknown.username.into())
    );
    assert_eq!(only["queues"], serde_json::json!(["Billing"]));
    let billing = &found["queues"][0];
    assert_eq!((&billing["members"], &billing["covered"]), (&2.into(), &1.into()), "{found:#}");
    assert_eq!(found["not_listed"], serde_json::json!([]));

    let plain = coverage(&site, &["--queue", "claims"]).await;
    assert_eq!(plain.code, Some(0), "{plain:#?}");
    assert!(plain.stdout.contains("Claims: 1 of 1 members"), "{}", plain.stdout);
    assert!(!plain.stdout.contains("Billing"), "{}", plain.stdout);
    let wrong = coverage(&site, &["--queue", "Klaims"]).await;
    assert_eq!(wrong.code, Some(2), "{wrong:#?}");
    assert!(wrong.stderr.contains("Klaims"), "{}", wrong.stderr);
    running.stop().await;
    assert_eq!(site.platform.violations(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_may_not_see_queues_is_said() {
    let site = Site::with("", |platform| {
        platform.missing_permissions.insert("routing:queue:view".to_owned());
    })
    .await;
    let refused = coverage(&site, &[]).await;
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    assert!(refused.stderr.contains("Routing > Queue > View"), "{}", refused.stderr);
    assert!(refused.stderr.contains("missing"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn simulated_organization_is_asked_from_another_terminal_while_it_runs() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().display().to_string();
    let process = Process::sidetone(["run", "--simulate", "--json", "--data", &data]);
    process.told("of its start", |told| told["type"] == "started").await;
    let coverage = sidetone(["coverage", "--data", &data]).await;
    assert_eq!(coverage.code, Some(0), "{coverage:#?}");
    assert!(coverage.stdout.contains("members are listened to"), "{}", coverage.stdout);
    let sync = sidetone(["users", "sync", "--dry-run", "--data", &data]).await;
    assert_eq!(sync.code, Some(0), "{sync:#?}");
    assert!(sync.stderr.contains("active Genesys users"), "{sync:#?}");
    process.signal("INT").await;
    process.finish(PATIENCE).await;
    let later = sidetone(["coverage", "--data", &data]).await;
    assert_eq!(later.code, Some(2), "{later:#?}");
    assert!(!directory.path().join("simulated.json").exists());
}
