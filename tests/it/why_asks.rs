//! What `sidetone why` learns by asking Genesys about a call that was not matched.

use serde_json::Value;
use sidetone_genesys_sim::{Cast, Person, SimUser, Standing};
use sidetone_model::ConversationId;

use crate::world::{Finished, LiveCall, ORGANIZATION, SimCaller, Site, ada, until};

async fn why(site: &Site, conversation: ConversationId, more: &[&str]) -> Finished {
    let (config, conversation) = (site.config().display().to_string(), conversation.to_string());
    let words = ["why", &conversation, "--config", &config];
    let finished = site.sidetone([&words, more].concat()).await;
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    finished
}

async fn becomes(site: &Site, conversation: ConversationId, cause: &str) -> Value {
    until(&format!("{conversation} is {cause}"), || async {
        let answer = why(site, conversation, &["--json"]).await.json();
        (answer["cause"] == cause).then_some(answer)
    })
    .await
}

fn user(person: &Person) -> SimUser {
    person.sim_user()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unprovisioned_user_who_answered_is_named_with_the_command_that_adds_them() {
    let lou = Cast::of(Standing::Unknown).next().expect("the cast has one");
    let site = Site::new("").await;
    let running = site.run().await;
    let mut call = LiveCall::begin(&site);
    let caller = SimCaller::call(&site, site.target(&running), call.id());
    running.session_is(caller.session, "paused").await;
    call.is_answered_by(&user(lou));
    call.hang_up();
    caller.end().await;
    let answer = becomes(&site, call.id(), "never-told").await;
    let found = &answer["genesys"]["users"][0];
    assert_eq!(found["username"], lou.username, "{answer:#}");
    assert_eq!((&found["answered"], &found["provisioned"]), (&true.into(), &"no".into()));
    let text = why(&site, call.id(), &[]).await.stdout;
    let (config, data) = (site.config(), site.data());
    let command = format!(
        "sidetone users add --config {} --data {} --name 'Lou Larchmont' --email \
         lou.larchmont@sim.example --adaptor genesys-cloud --organization {ORGANIZATION}",
        config.display(),
        data.display(),
    );
    assert!(text.contains(&format!("next step     {command}\n")), "{text}");
    // The printed command is the command.
    let words = ["--name", lou.name, "--email", lou.username, "--adaptor", "genesys-cloud"];
    let organization = ORGANIZATION.to_string();
    let scope = ["users", "add", "--organization", &organization];
    let added = site.sidetone([&scope[..], &words[..]].concat()).await;
    assert_eq!(added.code, Some(0), "{added:#?}");
    let answer = becomes(&site, call.id(), "never-told").await;
    assert_eq!(answer["genesys"]["users"][0]["provisioned"], "here");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn collision_names_both_usernames_and_the_queue_has_its_name() {
    let site = Site::new("").await;
    Cast::of(Standing::Colliding).for_each(|person| site.platform.put_user(person.sim_user()));
    let max = Cast::of(Standing::Colliding).next().expect("the cast has two");
    let running = site.run().await;
    let mut call = LiveCall::begin(&site);
    let caller = SimCaller::call(&site, site.target(&running), call.id());
    running.session_is(caller.session, "paused").await;
    call.ring(ada());
    call.no_answer(ada());
    call.is_answered_by(&user(max));
    let answer = becomes(&site, call.id(), "collision").await;
    let users = answer["genesys"]["users"].as_array().expect("a list");
    let shared = users.iter().find(|one| one["username"] == max.username).expect("the user");
    let both = ["max.mapleton@partner.example", "max.mapleton@sim.example"];
    assert_eq!(shared["shared_with"], serde_json::json!(both), "{answer:#}");
    let text = why(&site, call.id(), &[]).await.stdout;
    assert!(text.contains(&format!("is shared by {} and {}", both[0], both[1])), "{text}");
    assert!(!text.contains(&max.id.to_string()), "{text}");
    assert!(text.contains("queue A queue"), "{text}");
    call.hang_up();
    caller.end().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn why_says_that_genesys_could_not_be_asked() {
    let site = Site::new("").await;
    let running = site.run().await;
    let call = LiveCall::begin(&site);
    let caller = SimCaller::call(&site, site.target(&running), call.id());
    running.session_is(caller.session, "paused").await;
    caller.end().await;
    becomes(&site, call.id(), "never-told").await;
    running.stop().await;
    let organization = ORGANIZATION.to_string();
    let id = call.id().to_string();
    let asked = site.sidetone(["why", &id, "--organization", &organization]).await;
    assert_eq!(asked.code, Some(0), "{asked:#?}");
    assert!(asked.stdout.contains("Genesys       could not be asked"), "{}", asked.stdout);
    assert!(asked.stdout.contains("no OAuth client"), "{}", asked.stdout);
}
