//! Every kind of call through the command itself, judged by its script.

use futures_util::future::join_all;
use serde_json::Value;
use sidetone_genesys_sim::Scenario;

use crate::world::{Answer, ORGANIZATION, Process, Site, sidetone};

/// What a call's verdict says; further fields may be added.
const FIELDS: &[&str] = &[
    "scenario",
    "conversation_id",
    "session_id",
    "expected",
    "outcome",
    "opened_ms",
    "matched_ms",
    "frames_sent",
    "frames_accepted",
    "frames_committed",
    "frames_in_gaps",
    "missed_ms",
    "extra_ms",
    "audio_exact",
    "agents_exact",
    "holds_exact",
    "events_exact",
    "wav_exact",
];

/// How long playing every scenario may take, however busy the machine is.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(900);

fn calls(report: &Value) -> &[Value] {
    report["calls"].as_array().expect("a list of calls")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_scenario_is_delivered_and_recorded_as_its_script_says() {
    let arguments = ["simulate", "--embedded", "--scenario", "all", "--speed", "5", "--json", "-v"];
    let played = Process::sidetone(arguments).finish(LIMIT).await;
    let report = played.json();
    for call in calls(&report) {
        let (name, problems, log) = (&call["scenario"], &call["problems"], &played.stderr);
        assert_eq!(call["ok"], true, "{name}: {problems}\n{log}");
    }
    assert_eq!((played.code, &report["ok"]), (Some(0), &true.into()), "{report:#}");
    for scenario in Scenario::ALL {
        let name = scenario.as_str();
        let played = calls(&report).iter().filter(|call| call["scenario"] == name).count();
        let twice = ["twins", "two-orgs"].contains(&name);
        assert_eq!(played, if twice { 2 } else { 1 }, "{name}");
    }
    for call in calls(&report) {
        for field in FIELDS {
            assert!(call.get(field).is_some(), "{field} is missing: {call:#}");
        }
        for exact in ["audio_exact", "agents_exact", "holds_exact", "events_exact", "wav_exact"] {
            assert_eq!(call[exact], true, "{exact}: {call:#}");
        }
        assert_eq!(call["expected"], call["outcome"], "{call:#}");
        assert_eq!(call["frames_in_gaps"], 0, "{call:#}");
        assert_eq!(call["frames_accepted"], call["frames_committed"], "{call:#}");
        let is_told = call["expected"] == "told";
        assert_eq!(call["opened_ms"].is_u64(), !is_told, "{call:#}");
        let is_matched = call["expected"] == "matched";
        assert_eq!(call["matched_ms"].is_u64(), is_matched, "{call:#}");
        assert_eq!(call["frames_committed"].as_u64() > Some(0), is_matched, "{call:#}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planted_fault_makes_the_verdict_no() {
    let faults = [
        ("drop-frame", "were missed"),
        ("swap-frames", "is not what was said there"),
        ("wrong-agent", "agents in the stream"),
        ("deliver-paused", "that Genesys never sent"),
    ];
    let runs = faults.map(|(fault, problem)| async move {
        let scenario = ["simulate", "--scenario", "secure-pause", "--plant", fault];
        let judged = sidetone(scenario.into_iter().chain(["--speed", "10", "--json"])).await;
        let report = judged.json();
        assert_eq!((judged.code, &report["ok"]), (Some(3), &false.into()), "{fault}: {report:#}");
        let problems = calls(&report)[0]["problems"].to_string();
        assert!(problems.contains(problem), "{fault}: {problems}");
    });
    join_all(runs).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_client_dials_any_server() {
    let site = Site::new("").await;
    let running = site.run().await;
    assert_eq!(Answer::get(running.address, "/healthz").await.status, 200);
    let organization = ORGANIZATION.to_string();
    let dial = async |secret: &str| {
        let file = site.path("secret");
        std::fs::write(&file, secret).expect("writable");
        let file = file.display().to_string();
        let target = ["simulate", "--json", "--target", &running.url];
        let whose = ["--organization", &organization, "--api-key", &site.credentials.api_key];
        let how = ["--client-secret-file", &file, "--scenario", "probe", "--speed", "4"];
        sidetone([&target[..], &whose, &how].concat()).await
    };
    let good = dial(&site.credentials.secret).await;
    assert_eq!((good.code, &good.json()["ok"]), (Some(0), &true.into()), "{good:#?}");
    let wrong = dial("YXVkaW9ob29rLWZhY3RzaGVldC1kZW1vLXNlY3JldCE=").await;
    assert_eq!((wrong.code, &wrong.json()["ok"]), (Some(3), &false.into()), "{wrong:#?}");
    running.stop().await;
}
