//! What `/readyz` says of a system that cannot write, and once it can again.

use tokio::process::Command;

use crate::world::{Answer, Running, Site, until};

async fn is_ready(running: &Running) -> Option<bool> {
    let answer = Answer::get(running.address, "/readyz").await;
    match answer.status {
        200 => Some(true),
        503 => Some(false),
        _ => None,
    }
}

async fn becomes(running: &Running, ready: bool) {
    let what = format!("ready is {ready}");
    until(&what, async || is_ready(running).await.filter(|now| *now == ready)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn system_that_cannot_write_is_not_ready_until_it_can_again() {
    let site = Site::new("").await;
    let running = site.run().await;
    becomes(&running, true).await;
    let limit = async |bytes: &str| {
        let id = running.process.id().to_string();
        let limit = format!("--fsize={bytes}:");
        let done = Command::new("prlimit").args(["--pid", &id, &limit]).status().await;
        assert!(done.expect("prlimit is part of util-linux").success());
    };
    limit("1024").await;
    becomes(&running, false).await;
    let body = Answer::get(running.address, "/readyz").await.text();
    assert!(body.contains("recorder"), "{body}");
    limit("unlimited").await;
    becomes(&running, true).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn system_that_cannot_keep_parts_is_not_ready_until_it_can() {
    let site = Site::new("").await;
    let running = site.run().await;
    becomes(&running, true).await;
    let (parts, aside) = (site.data().join("parts"), site.data().join("aside"));
    std::fs::rename(&parts, &aside).expect("it is there");
    std::fs::write(&parts, b"no directory").expect("writable");
    becomes(&running, false).await;
    std::fs::remove_file(&parts).expect("it is there");
    std::fs::rename(&aside, &parts).expect("it is there");
    becomes(&running, true).await;
    running.stop().await;
}
