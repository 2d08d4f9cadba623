//! Users as Genesys Cloud has them, by command and by a running system's API.

use std::net::SocketAddr;

use serde_json::{Value, json};
use sidetone_genesys_sim::{
    Cast, Failure, Person, SimDivision, SimGroup, SimQueue, SimUser, Standing,
};
use uuid::Uuid;

use crate::organizations::add;
use crate::world::{Answer, Finished, ORGANIZATION, PATIENCE, Process, Site, ada, bo};

/// Somebody who is not provisioned.
fn lou() -> &'static Person {
    Cast::of(Standing::Unknown).next().expect("the cast has one")
}

fn sim_user(number: u128, username: &str) -> SimUser {
    let id = Uuid::from_u128(number).to_string().parse().expect("a UUID");
    SimUser::new(id, username, "Invented Person")
}

async fn sync(site: &Site, more: &[&str]) -> Finished {
    let config = site.config().display().to_string();
    site.sidetone([&["users", "sync", "--config", &config], more].concat()).await
}

async fn export(site: &Site) -> String {
    let exported =
        site.sidetone(["users", "export", "--organization", &ORGANIZATION.to_string()]).await;
    assert_eq!(exported.code, Some(0), "{exported:#?}");
    exported.stdout
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_are_added_updated_and_named_as_genesys_has_them_and_it_can_be_undone() {
    let site = Site::with("", |platform| {
        platform.users.retain(|user| user.id != bo().id);
        platform.users[0] = SimUser { name: "Ada Renamed".to_owned(), ..ada().sim_user() };
        platform.users.extend([
            sim_user(21, "max@a.example"),
            sim_user(22, "Max@b.example"),
            sim_user(23, "@a.example"),
        ]);
    })
    .await;
    let organization = ORGANIZATION.to_string();
    let (before, bo, lou) = (export(&site).await, bo().agent(), lou().agent());
    let shown = sync(&site, &["--dry-run"]).await;
    assert_eq!(shown.code, Some(0), "{shown:#?}");
    for line in [
        format!("changed  {}  name: Ada Ashgrove -> Ada Renamed", ada().agent()),
        format!("added    {lou}  Lou Larchmont, genesys-cloud"),
        format!("shared   max  by Genesys users {}, {}", Uuid::from_u128(21), Uuid::from_u128(22)),
        format!("unusable Genesys user {}  email: has nothing before", Uuid::from_u128(23)),
        format!("vanished {bo}  is no active Genesys user"),
    ] {
        assert!(shown.stdout.contains(&line), "{line}: {}", shown.stdout);
    }
    assert!(shown.stderr.contains("dry run: nothing was changed"), "{}", shown.stderr);
    assert_eq!(export(&site).await, before);

    let done = sync(&site, &["--json"]).await.json();
    assert_eq!((&done["organization"], &done["vanished"]), (&json!(organization), &json!([bo])));
    let exported = export(&site).await;
    assert!(exported.contains("Ada Renamed") && exported.contains(bo.as_str()), "{exported}");
    let again = sync(&site, &["--json"]).await.json();
    assert_eq!((&again["change"], &again["changes"]), (&Value::Null, &json!([])));

    let gone = sync(&site, &["--remove-vanished"]).await;
    assert!(gone.stdout.contains(&format!("removed  {bo}")), "{}", gone.stdout);
    assert!(!export(&site).await.contains(bo.as_str()));
    for stderr in [&gone.stderr, &format!("users undo {}", done["change"])] {
        let (_, words) = stderr.rsplit_once("users undo ").expect("how to undo it");
        let change = words.split_whitespace().next().expect("a change");
        let undo = ["users", "undo", change, "--organization", &organization];
        let undone = site.sidetone(undo).await;
        assert_eq!(undone.code, Some(0), "{undone:#?}");
    }
    assert_eq!(export(&site).await, before);
    assert_eq!(site.platform.violations(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_a_group_and_a_division_bound_who_is_added_and_nobody_outside_vanished() {
    let lisbon = Uuid::from_u128(0x11);
    let site = Site::with("", |platform| {
        let mut users: Vec<SimUser> =
            (31..=34).map(|number| sim_user(number, &format!("new{number}@a.example"))).collect();
        platform.queues = vec![SimQueue {
            id: Uuid::from_u128(7),
            name: "Billing".to_owned(),
            members: vec![(users[0].id, false)],
        }];
        platform.groups = vec![SimGroup {
            id: Uuid::from_u128(8),
            name: "Night".to_owned(),
            members: vec![users[1].id],
        }];
        platform.divisions.push(SimDivision { id: lisbon, name: "Lisbon".to_owned() });
        users[2].division = lisbon;
        platform.users.extend(users);
    })
    .await;
    let scope = ["--queue", "billing", "--group", "Night", "--division", "LISBON"];
    let bounded = [&scope[..], &["--remove-vanished", "--json"]].concat();
    let done = sync(&site, &bounded).await.json();
    let added: Vec<_> =
        done["changes"].as_array().expect("a list").iter().map(|one| &one["agent"]).collect();
    assert_eq!(added, ["new31", "new32", "new33"], "{done:#}");
    assert_eq!((&done["looked_at"], &done["vanished"]), (&json!(3), &json!([])));
    let wrong = sync(&site, &["--division", "Lissabon"]).await;
    assert_eq!(wrong.code, Some(2), "{wrong:#?}");
    assert!(wrong.stderr.contains("no division is called Lissabon"), "{}", wrong.stderr);
    assert_eq!(site.platform.violations(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_whole_changes_nothing_and_is_said() {
    let site = Site::with("", |platform| {
        let more = (101..=700).map(|number| sim_user(number, &format!("n{number}@a.example")));
        platform.users.extend(more);
        platform.missing_permissions.insert("directory:group:view".to_owned());
    })
    .await;
    let before = export(&site).await;
    site.platform.fail_next_at("pageNumber=2", 1, Failure::HalfJson);
    let failed = sync(&site, &[]).await;
    assert_eq!(failed.code, Some(1), "{failed:#?}");
    assert!(failed.stderr.contains("list users"), "{}", failed.stderr);
    let refused = sync(&site, &["--group", "Night"]).await;
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    assert!(refused.stderr.contains("Directory > Group > View"), "{}", refused.stderr);
    let others = sync(&site, &["--organization", &Uuid::from_u128(5).to_string()]).await;
    assert_eq!(others.code, Some(1), "{others:#?}");
    assert!(others.stderr.contains("belongs to organization"), "{}", others.stderr);
    assert_eq!(export(&site).await, before);
    let whole = sync(&site, &["--json"]).await.json();
    assert!(whole["counts"]["added"].as_u64() > Some(600), "{}", whole["counts"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_organization_that_was_set_up_is_asked_with_its_own_client() {
    let site = Site::new("").await;
    let nobody = site.sidetone(["users", "sync"]).await;
    assert_eq!(nobody.code, Some(2), "{nobody:#?}");
    assert!(nobody.stderr.contains("nobody can be asked"), "{}", nobody.stderr);
    let set_up = add(&site, "oauth-secret-of-this-test", &[]).await;
    assert_eq!(set_up.code, Some(0), "{set_up:#?}");
    for command in [
        &["users", "sync", "--json"][..],
        &["coverage", "--json"],
        &["coverage", "--json", "--organization", &ORGANIZATION.to_string()],
    ] {
        let asked = site.sidetone(command.iter().copied()).await;
        assert_eq!(asked.code, Some(0), "{command:?}: {asked:#?}");
        assert_eq!(asked.json()["organization"], json!(ORGANIZATION), "{command:?}");
    }
    let unknown = Uuid::from_u128(5).to_string();
    let unknown = site.sidetone(["coverage", "--organization", &unknown]).await;
    assert_eq!(unknown.code, Some(2), "{unknown:#?}");
    assert!(unknown.stderr.contains("sidetone org add"), "{}", unknown.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_of_a_running_system_syncs_and_says_who_is_covered() {
    let site = Site::new("").await;
    let config = std::fs::read_to_string(site.config()).expect("readable");
    let api = format!("[api]\nlisten = \"127.0.0.1:0\"\norganization = \"{ORGANIZATION}\"\n");
    std::fs::write(site.config(), config + &api).expect("writable");
    let config = site.config().display().to_string();
    let process = Process::sidetone(["run", "--config", &config]);
    let address: SocketAddr = process
        .line("where the users API is", |line| {
            let (_, url) = line.split_once("users API at http://")?;
            url.strip_suffix("/v1/users")?.parse().ok()
        })
        .await;
    let post = format!(
        "POST /v1/users/sync HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}"
    );
    let done = Answer::to(address, post.as_bytes()).await;
    let done: Value = serde_json::from_slice(&done.body).expect("JSON");
    let added: Vec<_> =
        done["changes"].as_array().expect("a list").iter().map(|one| &one["agent"]).collect();
    assert!(added.contains(&&json!(lou().agent())), "{done:#}");
    let covered = Answer::get(address, "/v1/coverage").await;
    let covered: Value = serde_json::from_slice(&covered.body).expect("JSON");
    assert_eq!(covered["not_covered"], json!([]), "{covered:#}");
    process.signal("INT").await;
    assert_eq!(process.finish(PATIENCE).await.code, Some(0));
}
