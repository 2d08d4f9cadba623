//! Bad input gets the answer that README's table states and one line of log; nothing is lost,
//! and the call beside it takes no harm.

use std::time::Duration;

use sidetone_genesys_sim::Cast;
use sidetone_model::{ConversationId, OrganizationId};
use sidetone_socket_door::MESSAGE_BYTES_MAX;
use uuid::Uuid;

use crate::world::{
    Answer, Client, Credentials, Finished, Ledger, Neighbour, ORGANIZATION, Site, Upgrade, ada,
    binary_frame, frame, text_frame,
};

/// Another secret than anybody's.
const OTHER_SECRET: &str = "YXVkaW9ob29rLWZhY3RzaGVldC1kZW1vLXNlY3JldCE=";

fn fresh_conversation() -> ConversationId {
    ConversationId::new(Uuid::new_v4())
}

/// Returns the lines that say that something is wrong.
fn complaints(stderr: &str) -> Vec<&str> {
    stderr.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).collect()
}

/// Asserts that nothing printed names a secret, a person or a number.
fn assert_only_ids_are_printed(site: &Site, finished: &Finished, more: &[&str]) {
    let mut secrets = vec![
        site.credentials.secret.as_str(),
        site.credentials.api_key.as_str(),
        OTHER_SECRET,
        "oauth-secret-of-this-test",
        "5555550100",
        "5555550199",
        "R. Example",
        "Springfield",
        "@sim.example",
    ];
    secrets.extend(more.iter().filter(|text| !text.is_empty()));
    secrets.extend(Cast::everyone().iter().map(|person| person.name));
    for secret in secrets {
        for text in [&finished.stdout, &finished.stderr] {
            assert!(!text.contains(secret), "{secret} was printed:\n{text}");
        }
    }
}

/// Returns what a client sees of an answer, but for when it was given.
fn visible(answer: &Answer) -> (u16, Vec<String>, String) {
    let lines = answer.head.lines().filter(|line| !line.starts_with("date:"));
    (answer.status, lines.map(str::to_owned).collect(), answer.text())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refused_handshake_looks_the_same_and_only_the_log_knows_why() {
    let site = Site::new("").await;
    let running = site.run().await;
    let neighbour = Neighbour::begin(&site, &running, ada()).await;
    let now = site.clock.now();
    let good = site.credentials.clone();
    let unknown = Credentials { api_key: "nobody-knows-this-key".to_owned(), ..good.clone() };
    let wrong = Credentials { secret: OTHER_SECRET.to_owned(), ..good.clone() };
    let signed = || Upgrade::signed(&site, &running);
    let replayed = signed();
    replayed.connect(site.clock).await.send(&text_frame("good bye")).await;
    let cases = [
        ("unknown_key", Upgrade::signed_as(&running, &unknown, now)),
        ("signature_mismatch", Upgrade::signed_as(&running, &wrong, now)),
        ("signature_required", signed().without("signature").without("signature-input")),
        ("nonce_repeated", replayed),
        ("expired", Upgrade::signed_as(&running, &good, now - Duration::from_secs(60))),
        ("too_large", signed().without("signature").with("signature", "a".repeat(9_000))),
        ("duplicate_header", signed().with("x-api-key", good.api_key.clone())),
    ];
    let mut answers = Vec::new();
    for (label, upgrade) in &cases {
        let answer = upgrade.send().await;
        assert_eq!(answer.status, 401, "{label}: {}", answer.head);
        answers.push(visible(&answer));
    }
    assert!(answers.windows(2).all(|two| two[0] == two[1]), "{answers:#?}");
    neighbour.takes_no_harm(&site, &running).await;
    let finished = running.stop().await;
    for (label, _) in &cases {
        let own = |line: &&&str| line.contains(&format!("refusal=\"{label}\""));
        let complaints = complaints(&finished.stderr);
        assert_eq!(complaints.iter().filter(own).count(), 1, "{label} in {complaints:#?}");
    }
    // And one for the words that were no message.
    assert_eq!(complaints(&finished.stderr).len(), cases.len() + 1, "{}", finished.stderr);
    let parts = cases.iter().flat_map(|(_, upgrade)| {
        [upgrade.nonce.as_str(), &upgrade.signature, upgrade.header("x-api-key")]
    });
    assert_only_ids_are_printed(&site, &finished, &parts.collect::<Vec<_>>());
}

/// Ways to break the protocol once a session is open: what is sent, and what the log says.
async fn breaches(client: &mut Client) -> Vec<(&'static str, Vec<u8>)> {
    let paused = text_frame(&client.paused_message());
    client.seq -= 1;
    client.seq += 4;
    let skipping = client.message("ping", serde_json::json!({}));
    client.seq -= 5;
    vec![
        ("text is not JSON", text_frame("{\"version\": \"2\", \"ani\": \"+15555550100\"")),
        ("envelope is not well formed", text_frame("{\"R. Example\": 1}")),
        ("expected seq 2, got 6", text_frame(&skipping)),
        ("frame of 1601 bytes has a partial sample", binary_frame(&[0xFF; 1_601])),
        ("is too large", binary_frame(&vec![0xFF; MESSAGE_BYTES_MAX + 1])),
        ("is too large", text_frame(&" ".repeat(MESSAGE_BYTES_MAX + 1))),
        ("audio while paused", [paused, binary_frame(&frame(0, 800))].concat()),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_message_ends_its_session_and_no_other() {
    let site = Site::new("").await;
    let running = site.run().await;
    let neighbour = Neighbour::begin(&site, &running, ada()).await;
    let mut sessions = Vec::new();
    for number in 0.. {
        let (mut client, _) = Client::open(&site, &running, fresh_conversation()).await;
        let mut breaches = breaches(&mut client).await;
        if number == breaches.len() {
            client.close().await;
            break;
        }
        let (words, bytes) = breaches.swap_remove(number);
        let session = client.session;
        sessions.push((session, words));
        client.send_in_vain(&bytes).await;
        let told = client.leave_when_told().await;
        assert_eq!(told["reason"], "error", "{words}: {told}");
    }
    assert_eq!(sessions.len(), 7);
    neighbour.takes_no_harm(&site, &running).await;
    for (session, _) in &sessions {
        running.session_is(session, "ended").await;
    }
    let finished = running.stop().await;
    let ledger = Ledger::read(&site.data()).await;
    let complaints = complaints(&finished.stderr);
    for (session, words) in &sessions {
        let own: Vec<_> =
            complaints.iter().filter(|line| line.contains(&session.to_string())).collect();
        assert!(own.len() == 1 && own[0].contains(words), "{words}: {own:#?}");
        let end = ledger.end(*session).unwrap_or_else(|| panic!("{words} leaves no end"));
        assert_eq!(end.cause(), sidetone_delivery_wire::EndCause::Violation, "{words}");
    }
    assert_eq!(complaints.len(), sessions.len(), "{complaints:#?}");
    assert_only_ids_are_printed(&site, &finished, &[]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_of_another_organization_is_unauthorized_and_leaves_nothing() {
    let site = Site::new("").await;
    let running = site.run().await;
    let neighbour = Neighbour::begin(&site, &running, ada()).await;
    let mut client = Upgrade::signed(&site, &running).connect(site.clock).await;
    let (session, other) = (client.session, OrganizationId::new(Uuid::new_v4()));
    assert_ne!(other, ORGANIZATION);
    client.say_open(fresh_conversation(), other).await;
    let told = client.leave_when_told().await;
    assert_eq!(told["reason"], "unauthorized", "{told}");
    neighbour.takes_no_harm(&site, &running).await;
    let finished = running.stop().await;
    assert_eq!(Ledger::read(&site.data()).await.of(session).count(), 0);
    let complaints = complaints(&finished.stderr);
    assert_eq!(complaints.len(), 1, "{complaints:#?}");
    assert!(complaints[0].contains(&session.to_string()));
    assert_only_ids_are_printed(&site, &finished, &[]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_session_too_many_is_told_to_come_back() {
    let site = Site::new("sessions_max = 1").await;
    let running = site.run().await;
    let neighbour = Neighbour::begin(&site, &running, ada()).await;
    let client = Upgrade::signed(&site, &running).connect(site.clock).await;
    let session = client.session;
    let told = client.leave_when_told().await;
    assert_eq!(told["reason"], "error", "{told}");
    neighbour.takes_no_harm(&site, &running).await;
    let finished = running.stop().await;
    let complaints = complaints(&finished.stderr);
    assert_eq!(complaints.len(), 1, "{complaints:#?}");
    assert!(complaints[0].contains(&session.to_string()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_file_with_a_bad_row_changes_nothing_and_names_the_row() {
    let site = Site::new("").await;
    let running = site.run().await;
    let neighbour = Neighbour::begin(&site, &running, ada()).await;
    let organization = ORGANIZATION.to_string();
    let list = ["users", "list", "--json", "--organization", &organization];
    let before = site.sidetone(list).await;
    let file = site.path("bad.csv");
    std::fs::write(
        &file,
        "name,email,adaptor,status\n\
         Nia Newcomer,nia.newcomer@sim.example,genesys-cloud,active\n\
         Otto Oddly,otto.oddly@sim.example,carrier-pigeon,active\n\
         ,pia.nameless@sim.example,avaya,active\n\
         Rex Ragged,rex.ragged@sim.example,cisco\n",
    )
    .expect("writable");
    let file = file.display().to_string();
    let import = ["users", "import", &file, "--organization", &organization];
    let refused = site.sidetone(import).await;
    assert_eq!(refused.code, Some(2), "{refused:#?}");
    assert_eq!(refused.stdout, "");
    for words in [
        "row 3 (Otto Oddly), adaptor: \"carrier-pigeon\" is none of",
        "row 4, name: is empty",
        "row 5 (Rex Ragged), row: has 3 fields",
    ] {
        assert!(refused.stderr.contains(words), "{words}: {}", refused.stderr);
    }
    assert!(
        refused.stderr.contains("3 of 4 rows are bad (3 faults); nothing was imported"),
        "{}",
        refused.stderr
    );
    assert!(!refused.stderr.contains("row 2"), "{}", refused.stderr);
    let refused = site.sidetone(import.into_iter().chain(["--json"])).await;
    let told: serde_json::Value = serde_json::from_str(&refused.stderr).expect("JSON");
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""));
    assert!(told.to_string().contains("adaptor"), "{told}");
    let after = site.sidetone(list).await;
    assert_eq!((before.code, after.stdout), (Some(0), before.stdout));
    neighbour.takes_no_harm(&site, &running).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn error_text_of_a_client_is_logged_as_its_size_on_one_line() {
    let site = Site::new("listen = \"always\"").await;
    let running = site.run_with(&["--log-format", "json"]).await;
    let (mut client, _) = Client::open(&site, &running, fresh_conversation()).await;
    let personal =
        "R. Example, 5555550199\n{\"level\":\"ERROR\",\"message\":\"forged\"}\u{2028}end";
    let fault = serde_json::json!({ "code": 500, "message": personal });
    let text = client.message("error", fault);
    client.send(&text_frame(&text)).await;
    let line = running.process.logs("client reported a fault").await;
    client.close().await;
    let finished = running.stop().await;
    for name in ["message", "level", "timestamp"] {
        assert_eq!(line.matches(&format!("\"{name}\":")).count(), 1, "{line}");
    }
    let logged: serde_json::Value = serde_json::from_str(&line).expect("a line is one object");
    let text = logged["fields"]["text"].as_str().expect("a text");
    assert!(text.starts_with(&format!("<{} bytes, hash ", personal.len())), "{line}");
    for part in ["Example", "5555550199", "forged"] {
        assert!(!finished.stderr.contains(part), "{part} in {}", finished.stderr);
    }
}
