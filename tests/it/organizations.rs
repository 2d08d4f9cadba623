//! Organizations as an administrator sets them up, and what a running system makes of them.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::world::{
    Finished, LiveCall, ORGANIZATION, SimCaller, Site, ada, delivered, sidetone_fed, until,
};

const CLIENT: &str = "5ecbeef0-0000-4000-8000-0000000000c1";

/// Sets the site's organization up for its platform, with more said.
pub(crate) async fn add(site: &Site, secret: &str, more: &[&str]) -> Finished {
    let file = site.path("client-secret");
    std::fs::write(&file, format!("{secret}\n")).expect("writable");
    let (login, api) = site.platform.base_urls();
    let (organization, client) = (ORGANIZATION.to_string(), format!("{CLIENT}={}", file.display()));
    let what = ["org", "add", &organization, "--login-url", &login, "--api-url", &api];
    site.sidetone([&what[..], &["--client", &client], more].concat()).await
}

async fn listed(site: &Site) -> Vec<Value> {
    let listed = site.sidetone(["org", "list", "--json"]).await;
    assert_eq!(listed.code, Some(0), "{listed:#?}");
    listed.json()["organizations"].as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_organization_is_added_changed_shown_and_removed_and_no_secret_is_told() {
    let site = Site::new("").await;
    let organization = ORGANIZATION.to_string();
    let secret = "a secret that is told to nobody";
    let added = add(&site, secret, &["--listen", "ready"]).await;
    assert_eq!(added.code, Some(0), "{added:#?}");
    let changed = site
        .sidetone(["org", "add", &organization, "--on-hold", "pause", "--queue", "Billing"])
        .await;
    assert_eq!(changed.code, Some(0), "{changed:#?}");
    let [only] = &listed(&site).await[..] else { panic!("there is one") };
    assert_eq!((&only["listen"], &only["on_hold"]), (&"ready".into(), &"pause".into()), "{only:#}");
    assert_eq!(only["clients"], serde_json::json!([{ "id": CLIENT, "has_secret": true }]));
    assert_eq!(
        (&only["queues"][0], only["keys"].as_array().map(Vec::len)),
        (&"Billing".into(), Some(1))
    );
    let mode =
        std::fs::metadata(site.data().join("clients.json")).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let shown = site.sidetone(["org", "show", &organization]).await;
    for text in [&added.stdout, &added.stderr, &changed.stdout, &shown.stdout, &shown.stderr] {
        assert!(!text.contains(secret), "{text}");
        assert!(!text.contains(&site.credentials.api_key), "{text}");
    }
    let removed = site.sidetone(["org", "remove", &organization, "--yes", "--json"]).await;
    assert_eq!((removed.code, &removed.json()["keys"]), (Some(0), &1.into()), "{removed:#?}");
    assert_eq!(listed(&site).await, [] as [Value; 0]);
    let text = std::fs::read_to_string(site.data().join("clients.json")).expect("readable");
    assert!(!text.contains(secret), "the secret is gone from the file, too");
    let keys = site.sidetone(["secrets", "list", "--json"]).await;
    assert_eq!(keys.json()["keys"], serde_json::json!([]));
    let history = site.sidetone(["org", "history", &organization, "--json"]).await;
    let told = history.json()["history"].clone();
    let kinds: Vec<_> = told.as_array().expect("a list").iter().map(|one| &one["kind"]).collect();
    assert_eq!(kinds, ["removed", "changed", "added"], "it outlives the organization");
    assert_eq!(
        (&told[1]["before"]["on_hold"], &told[1]["after"]["on_hold"]),
        (&"keep".into(), &"pause".into())
    );
    let table = site.sidetone(["org", "history", &organization]).await;
    assert!(
        table.stdout.contains("on-hold: keep -> pause, queues: nothing -> Billing"),
        "{table:#?}"
    );
    for text in [&history.stdout, &table.stdout, &table.stderr] {
        assert!(!text.contains(secret) && !text.contains(&site.credentials.api_key), "{text}");
    }
    let again = site.sidetone(["org", "remove", &organization, "--yes"]).await;
    assert_eq!(again.code, Some(2), "{again:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_an_organization_is_refused_and_nothing_is_written() {
    let site = Site::new("").await;
    let organization = ORGANIZATION.to_string();
    for (arguments, words) in [
        (vec!["org", "add", &organization], "--region"),
        (vec!["org", "add", &organization, "--region", "usw2.evil.example"], "--region"),
        (vec!["org", "add", &organization, "--region", "usw2", "--client", "id"], "--client"),
        (vec!["org", "add", &organization, "--region", "usw2", "--client", "id=/none"], "/none"),
        (vec!["org", "add", "acme", "--region", "usw2"], "acme"),
    ] {
        let refused = site.sidetone(arguments.clone()).await;
        assert_eq!(refused.code, Some(2), "{arguments:?}: {refused:#?}");
        assert!(refused.stderr.contains(words), "{arguments:?}: {}", refused.stderr);
    }
    let data = site.data().display().to_string();
    let two = ["org", "add", &organization, "--region", "usw2", "--data", &data];
    let two = [&two[..], &["--client", "id=-"]].concat();
    let refused = sidetone_fed(two, "one\ntwo\n").await;
    assert_eq!(refused.code, Some(2), "{refused:#?}");
    assert!(!refused.stderr.contains("two\n"), "{}", refused.stderr);
    assert_eq!(listed(&site).await, [] as [Value; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_system_takes_an_organization_up_and_listens_as_it_was_set() {
    let site = Site::new("").await;
    // Without [genesys] in its configuration: the door's own way of listening is `matched`.
    let running = site.run_deaf().await;
    let before = SimCaller::call(&site, site.target(&running), LiveCall::begin(&site).id());
    running.session_is(before.session, "paused").await;
    before.end().await;
    let added = add(&site, "oauth-secret-of-this-test", &["--listen", "ready"]).await;
    assert_eq!(added.code, Some(0), "{added:#?}");
    until("it is followed", || async { (site.platform.stats().topics > 0).then_some(()) }).await;
    let mut call = LiveCall::begin(&site);
    let caller = SimCaller::call(&site, site.target(&running), call.id());
    running.session_is(caller.session, "listening").await;
    call.ring(ada());
    call.answer(ada());
    delivered(&site, caller.session, 3).await;
    call.hang_up();
    caller.end().await;
    // Another organization's client is followed by nobody, whatever it was entered for.
    let other = "1f1e1d1c-1b1a-4918-8716-151413121110";
    let (login, api) = site.platform.base_urls();
    let client = format!("{CLIENT}={}", site.path("client-secret").display());
    let wrong =
        ["org", "add", other, "--login-url", &login, "--api-url", &api, "--client", &client];
    assert_eq!(site.sidetone(wrong).await.code, Some(0));
    running.process.logs("another organization's").await;
    running.stop().await;
}
