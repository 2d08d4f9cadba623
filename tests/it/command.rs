//! The command as its users meet it: help, exit codes, signals, pipes, pages.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use sidetone_cli::Wave;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use crate::world::{
    Answer, Client, Credentials, Ledger, LiveCall, Neighbour, ORGANIZATION, PATIENCE, Process,
    Running, SimCaller, Site, Upgrade, ada, assert_recording_is_exact, bo, delivered, pcm_of,
    recording, sidetone, sidetone_fed, sound, until,
};

/// How long a process without calls may take to end, on a busy machine.
const END_WITHIN: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn help_of_every_command_has_examples() {
    let commands = [
        "",
        "run",
        "simulate",
        "users import",
        "users export",
        "users list",
        "users find",
        "users add",
        "users set",
        "users move",
        "users remove",
        "users undo",
        "users history",
        "users sample",
        "tail",
        "listen",
        "why",
        "calls",
        "coverage",
        "org add",
        "org list",
        "org show",
        "org history",
        "org remove",
        "secrets new",
        "secrets list",
        "completions",
    ];
    for command in commands {
        let help = sidetone(command.split_whitespace().chain(["--help"])).await;
        assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""), "{command}");
        let (_, examples) =
            help.stdout.split_once("Example").unwrap_or_else(|| panic!("no examples: {command}"));
        assert!(examples.contains(&format!("sidetone {command}")), "{command}: {examples}");
    }
    for group in ["users", "secrets", "org"] {
        let help = sidetone([group, "--help"]).await;
        assert_eq!(help.code, Some(0), "{group}");
        assert!(help.stdout.contains("Commands:"), "{}", help.stdout);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_meant_exits_with_2_and_says_so() {
    let cases = [
        (vec!["run", "--lissen", "0.0.0.0:1"], "--lissen"),
        (vec!["rnu"], "rnu"),
        (vec!["simulate", "--scenario", "answred"], "answered"),
        (vec!["listen", "coffee", "-o", "x.wav"], "conversation id"),
        (vec!["run", "--config", "/there/is/no.toml"], "/there/is/no.toml"),
        (vec!["secrets", "new", "--organization", "acme"], "acme"),
    ];
    for (arguments, words) in cases {
        let refused = sidetone(&arguments).await;
        assert_eq!(refused.code, Some(2), "{arguments:?}: {refused:#?}");
        assert_eq!(refused.stdout, "", "{arguments:?}");
        assert!(refused.stderr.contains(words), "{arguments:?}: {}", refused.stderr);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let done = sidetone(["completions", shell]).await;
        assert_eq!(done.code, Some(0), "{shell}");
        for command in ["run", "simulate", "users", "tail", "listen", "why", "coverage", "secrets"]
        {
            assert!(done.stdout.contains(command), "{shell} does not know {command}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn run_ends_cleanly_on_either_signal() {
    let site = Site::new("").await;
    for signal in ["INT", "TERM"] {
        let running = site.run().await;
        running.process.signal(signal).await;
        let finished = running.process.finish(END_WITHIN).await;
        assert_eq!(finished.code, Some(0), "{signal}: {finished:#?}");
        let last: Value = serde_json::from_str(finished.stdout.lines().last().unwrap()).unwrap();
        assert_eq!(last["type"], "finished", "{signal}");
        assert!(!finished.stderr.contains("ERROR"), "{}", finished.stderr);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_lines_say_where_it_listens_and_where_recordings_lie() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data").display().to_string();
    let process = Process::sidetone(["run", "--listen", "127.0.0.1:0", "--data", &data]);
    let url = process
        .line("where it listens", |line| Some(line.strip_prefix("AudioHook at ")?.to_owned()))
        .await;
    assert!(url.starts_with("ws://127.0.0.1:") && url.ends_with("/audiohook/ws"), "{url}");
    process
        .line("that nobody is matched", |line| line.contains("no [genesys]").then_some(()))
        .await;
    process.signal("INT").await;
    let finished = process.finish(END_WITHIN).await;
    assert_eq!(finished.code, Some(0));
    assert!(finished.stdout.contains("recordings"), "{}", finished.stdout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_users_api_runs_beside_the_door_and_is_never_open_to_others() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data").display().to_string();
    let configured = |listen: &str| {
        let file = directory.path().join("sidetone.toml");
        std::fs::write(&file, format!("[api]\nlisten = \"{listen}\"\n")).unwrap();
        file.display().to_string()
    };
    let file = configured("127.0.0.1:0");
    let process =
        Process::sidetone(["run", "--listen", "127.0.0.1:0", "--data", &data, "--config", &file]);
    let address: std::net::SocketAddr = process
        .line("where the users API is", |line| {
            let (_, url) = line.split_once("users API at http://")?;
            url.strip_suffix("/v1/users")?.parse().ok()
        })
        .await;
    let sample = sidetone(["users", "sample"]).await.stdout;
    let organization = sidetone_cli::SIMULATED_ORGANIZATION.to_string();
    let import = ["users", "import", "-", "--data", &data, "--organization", &organization];
    assert_eq!(sidetone_fed(import, &sample).await.code, Some(0));
    let page = Answer::get(address, "/v1/users?find=ada").await;
    let page: Value = serde_json::from_str(&page.text()).unwrap();
    assert_eq!(page["users"][0]["username"], "ada@customer.example");
    process.signal("INT").await;
    assert_eq!(process.finish(END_WITHIN).await.code, Some(0));

    let file = configured("0.0.0.0:0");
    let open = sidetone(["run", "--data", &data, "--config", &file]).await;
    assert_eq!(open.code, Some(2), "{open:#?}");
    assert!(open.stderr.contains("tokens are needed"), "{}", open.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_outlasts_the_drain_is_ended_in_order_and_recorded() {
    let site = Site::new("drain_seconds = 4").await;
    let running = site.run().await;
    let mut call = LiveCall::begin(&site);
    let (mut client, _) = Client::open(&site, &running, call.id()).await;
    client.pause().await;
    call.ring(ada());
    client.hear("resume").await;
    client.resume().await;
    call.answer(ada());
    client.talk(10).await;
    let session = client.session;
    delivered(&site, session, 8).await;
    running.process.signal("TERM").await;
    running.process.logs("door drains").await;
    // Meanwhile load balancers are told not to ask, and others to come back.
    let ready = Answer::get(running.address, "/readyz").await;
    assert_eq!(ready.status, 503);
    let report: Value = serde_json::from_slice(&ready.body).unwrap();
    assert_eq!((&report["ready"], &report["draining"]), (&false.into(), &true.into()));
    let late = Upgrade::signed(&site, &running).connect(site.clock).await;
    assert_eq!(late.leave_when_told().await["reason"], "error");
    let told = client.leave_when_told().await;
    assert_eq!(told["reason"], "error", "{told}");
    let finished = running.process.finish(PATIENCE).await;
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    let ledger = Ledger::read(&site.data()).await;
    assert_recording_is_exact(&site.data(), &ledger, session);
    let end = recording(&site.data(), session).sidecar.end.expect("it ended");
    assert_eq!(end.cause, "shutdown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_running_calls_at_once() {
    let site = Site::new("").await;
    let running = site.run().await;
    let call = LiveCall::begin(&site);
    let (client, _) = Client::open(&site, &running, call.id()).await;
    running.process.signal("INT").await;
    running.process.logs("door drains").await;
    running.process.signal("INT").await;
    let told = client.leave_when_told().await;
    assert_eq!(told["reason"], "error", "{told}");
    assert_eq!(running.process.finish(PATIENCE).await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_run_on_the_same_data_says_so() {
    let site = Site::new("").await;
    let running = site.run().await;
    let config = site.config().display().to_string();
    let second = sidetone(["run", "--config", &config]).await;
    assert_eq!(second.code, Some(1), "{second:#?}");
    assert!(second.stderr.contains("another sidetone runs on"), "{}", second.stderr);
    let second = sidetone(["run", "--json", "--config", &config]).await;
    let told: Value = serde_json::from_str(second.stderr.lines().last().unwrap()).unwrap();
    assert!(told.to_string().contains("another sidetone runs on"), "{told}");
    let listen = running.address.to_string();
    let elsewhere = site.path("elsewhere").display().to_string();
    let taken = sidetone(["run", "--listen", &listen, "--data", &elsewhere]).await;
    assert_eq!(taken.code, Some(1), "{taken:#?}");
    assert!(taken.stderr.contains("--listen"), "{}", taken.stderr);
    running.stop().await;
}

/// Begins a call on which an agent talks.
async fn talking(site: &Site, running: &Running) -> (LiveCall, SimCaller) {
    let mut call = LiveCall::begin(site);
    let caller = SimCaller::call(site, site.target(running), call.id());
    running.session_is(caller.session, "paused").await;
    call.ring(ada());
    running.session_is(caller.session, "listening").await;
    call.answer(ada());
    (call, caller)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tail_and_listen_follow_a_running_call() {
    let site = Site::new("").await;
    let running = site.run().await;
    let neighbour = Neighbour::begin(&site, &running, bo()).await;
    let (mut call, caller) = talking(&site, &running).await;
    let id = call.id().to_string();
    let tail = site.start(["tail", "--json", "--audio", "--from", "start", "--conversation", &id]);
    let of_session = |told: &Value, kind: &str| {
        told["type"] == kind && told["session_id"] == caller.session.to_string()
    };
    for kind in ["session-started", "call-event", "match", "audio"] {
        tail.told(kind, |told| of_session(told, kind)).await;
    }
    delivered(&site, caller.session, 5).await;
    let file = site.path("call.wav").display().to_string();
    let heard = site.sidetone(["listen", &id[..8], "-o", &file]).await;
    assert_eq!(heard.code, Some(0), "{heard:#?}");
    let wave = Wave::decode(std::fs::read(&file).unwrap().into()).unwrap();
    assert!(wave.length() >= 5 * 1_600, "{}", wave.length());
    let ledger = Ledger::read(&site.data()).await;
    let from = ledger.stretches(caller.session)[0].start;
    let said: Vec<i16> = (from..from + 1_600).flat_map(|place| pcm_of(&sound(place))).collect();
    assert!(wave.samples.windows(said.len()).step_by(2).take(3_200).any(|heard| heard == said));

    let waiting = site.start(["listen", &id, "--wait", "-o", &file, "--json"]);
    call.hang_up();
    running.session_is(caller.session, "paused").await;
    let session = caller.session.to_string();
    caller.end().await;
    tail.told("of the end", |told| {
        told["type"] == "session-ended" && told["session_id"] == session
    })
    .await;
    let heard = waiting.finish(PATIENCE).await;
    assert_eq!(heard.code, Some(0), "{heard:#?}");
    tail.signal("INT").await;
    let tailed = tail.finish(END_WITHIN).await;
    assert_eq!((tailed.code, tailed.stderr.as_str()), (Some(0), ""));
    assert!(tailed.stdout.lines().all(|line| line.contains(&id)));
    neighbour.takes_no_harm(&site, &running).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_leaves_early_is_no_fault() {
    let site = Site::new("").await;
    let running = site.run().await;
    let (_call, _caller) = talking(&site, &running).await;
    let data = site.data().display().to_string();
    for format in [&[][..], &["--json"]] {
        let mut command = Process::command(["tail", "--from", "start", "--data", &data]);
        command.args(format).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut tail = command.kill_on_drop(true).spawn().unwrap();
        let mut stdout = BufReader::new(tail.stdout.take().unwrap());
        let mut first = String::new();
        stdout.read_line(&mut first).await.unwrap();
        assert!(!first.is_empty());
        drop(stdout);
        let ended = tokio::time::timeout(PATIENCE, tail.wait()).await.expect("tail ends").unwrap();
        let mut stderr = String::new();
        tail.stderr.take().unwrap().read_to_string(&mut stderr).await.unwrap();
        assert_eq!((ended.code(), stderr.as_str()), (Some(0), ""));
    }
    running.process.signal("INT").await;
    running.process.signal("INT").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_has_two_live_secrets_and_a_third_replaces_the_oldest() {
    let site = Site::new("").await;
    let running = site.run().await;
    let first = site.credentials.clone();
    let status = async |credentials: &Credentials| {
        Upgrade::signed_as(&running, credentials, site.clock.now()).send().await.status
    };
    // The door reads a key at most once a second again.
    let opens = async |credentials: &Credentials| {
        until("the new secret opens the door", || async {
            (status(credentials).await == 101).then_some(())
        })
        .await;
    };
    assert_eq!(status(&first).await, 101);
    let second = site.new_secret(&["--key", &first.api_key]).await;
    assert_eq!(second.api_key, first.api_key);
    assert_ne!(second.secret, first.secret);
    opens(&second).await;
    assert_eq!(status(&first).await, 101);
    let third = site.new_secret(&["--key", &first.api_key]).await;
    opens(&third).await;
    assert_eq!((status(&second).await, status(&first).await), (101, 401));
    let listed = site.sidetone(["secrets", "list", "--json"]).await;
    assert_eq!(listed.json()["keys"][0]["live_secrets"], 2);
    for credentials in [&first, &second, &third] {
        assert!(!listed.stdout.contains(&credentials.secret));
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_and_readiness_are_told_apart() {
    let site = Site::new("").await;
    let running = site.run().await;
    let alive = Answer::get(running.address, "/healthz").await;
    assert_eq!((alive.status, alive.text().as_str()), (200, "alive\n"));
    let ready = Answer::get(running.address, "/readyz").await;
    assert_eq!(ready.status, 200);
    let report: Value = serde_json::from_slice(&ready.body).unwrap();
    let checks = report["checks"].as_object().unwrap();
    let names: Vec<&str> = checks.keys().map(String::as_str).collect();
    assert_eq!(names, ["clock", "recorder", "store", "stream", "tracker"]);
    assert!(checks.values().all(|check| check["ok"] == true && check["since"].is_string()));
    site.platform.stop().await;
    until("the tracker is not ready", || async {
        let ready = Answer::get(running.address, "/readyz").await;
        let report: Value = serde_json::from_slice(&ready.body).unwrap();
        let tracker = &report["checks"]["tracker"];
        let has_cause = tracker["ok"] == false && tracker["cause"].is_string();
        (ready.status == 503 && has_cause).then_some(())
    })
    .await;
    assert_eq!(Answer::get(running.address, "/healthz").await.status, 200);
    assert_eq!(Answer::get(running.address, "/elsewhere").await.status, 404);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_come_from_a_pipe_and_go_as_they_came() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().display().to_string();
    let organization = ORGANIZATION.to_string();
    let with_data = |arguments: &[&str]| -> Vec<String> {
        let more = ["--data", &data, "--organization", &organization];
        arguments.iter().chain(&more).map(|one| (*one).to_owned()).collect()
    };
    let sample = sidetone(["users", "sample"]).await;
    assert_eq!(sample.code, Some(0));
    let imported = sidetone_fed(with_data(&["users", "import", "-"]), &sample.stdout).await;
    assert_eq!(imported.code, Some(0), "{imported:#?}");
    let listed = sidetone(with_data(&["users", "list", "--csv"])).await;
    let again = sidetone_fed(with_data(&["users", "import", "-"]), &listed.stdout).await;
    assert_eq!((again.code, &again.stdout), (Some(0), &imported.stdout));
    assert_eq!(sidetone(with_data(&["users", "list", "--csv"])).await.stdout, listed.stdout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn simulated_calls_arrive_are_matched_and_recorded_until_it_is_told_to_stop() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().display().to_string();
    let arguments =
        ["run", "--simulate", "--speed", "10", "--seed", "1", "--json", "--data", &data];
    let process = Process::sidetone(arguments);
    process
        .told("of a matched call", |told| {
            told["type"] == "session"
                && told["agent_id"].is_string()
                && told["state"] == "listening"
        })
        .await;
    let recorded = process.told("of a recording", |told| told["type"] == "recording").await;
    assert!(std::path::Path::new(recorded["file"].as_str().unwrap()).is_file(), "{recorded}");
    process.signal("INT").await;
    let finished = process.finish(PATIENCE).await;
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert!(!finished.stdout.contains("rules were broken"), "{}", finished.stdout);
    assert!(!finished.stderr.contains("ERROR"), "{}", finished.stderr);
}
