//! `sidetone run` on a machine whose clock is wrong, or is set in mid-call: calls go on, signed
//! handshakes are accepted, recordings are exact, and `/readyz` names the difference.
//!
//! The process alone has the wrong clock (libfaketime): Genesys and the callers have the right one.

use std::path::{Path, PathBuf};

use futures_util::future::join_all;
use serde_json::Value;

use crate::world::{Answer, Neighbour, Process, Running, Site, ada, bo, until};

/// How close a correction must come. Units: milliseconds; dates are cut to the second.
const CLOSE_MS: i64 = 250;

/// Returns the library that moves a process's clock.
fn library() -> PathBuf {
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib"];
    let found = folders.iter().map(|it| Path::new(it).join("faketime/libfaketimeMT.so.1"));
    let found = found.into_iter().find(|path| path.is_file());
    found.expect("libfaketime is missing: install Debian's package faketime, as `make test` does")
}

/// A system whose clock is ahead by as many seconds as a file says.
struct Apart {
    site: Site,
    running: Running,
    file: PathBuf,
}

impl Apart {
    async fn by(seconds: i64) -> Self {
        let site = Site::new("").await;
        let file = site.path("faketime");
        set(&file, seconds);
        let config = site.config().display().to_string();
        let mut command = Process::command(["run", "--json", "--config", &config]);
        command
            .env("LD_PRELOAD", library())
            .env("FAKETIME_TIMESTAMP_FILE", &file)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("DONT_FAKE_MONOTONIC", "1");
        let running = Site::listening(Process::start(command)).await;
        let apart = Self { site, running, file };
        apart.is_known(seconds).await;
        apart
    }

    /// Waits until the process knows by how much its clock is off.
    async fn is_known(&self, seconds: i64) -> Value {
        let what = format!("the clock is known to be {seconds} s ahead");
        until(&what, async || {
            let answer = Answer::get(self.running.address, "/readyz").await;
            let report: Value = serde_json::from_slice(&answer.body).ok()?;
            let ahead_ms = report["checks"]["clock"]["ahead_ms"].as_i64().unwrap_or_default();
            let is_followed = report["checks"]["tracker"]["ok"] == true;
            let is_close = (ahead_ms - seconds * 1_000).abs() <= CLOSE_MS;
            (is_close && is_followed).then_some(report)
        })
        .await
    }
}

fn set(file: &Path, seconds: i64) {
    let beside = file.with_extension("new");
    std::fs::write(&beside, format!("{seconds:+}\n")).expect("writable");
    std::fs::rename(beside, file).expect("in one folder");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_whole_on_a_machine_whose_clock_is_off() {
    let all = [-40, -5, -1, 1, 5, 40].map(|seconds| async move {
        let apart = Apart::by(seconds).await;
        let call = Neighbour::begin(&apart.site, &apart.running, ada()).await;
        let id = call.conversation();
        call.takes_no_harm(&apart.site, &apart.running).await;
        let report = apart.is_known(seconds).await;
        let clock = &report["checks"]["clock"];
        assert_eq!(report["ready"], true, "{report}");
        assert_eq!(clock["ok"], seconds.abs() < 2, "{report}");
        if seconds.abs() > 2 {
            let direction = if seconds > 0 { "ahead of" } else { "behind" };
            let cause = clock["cause"].as_str().expect("a cause");
            assert!(cause.contains(&format!("s {direction} Genesys Cloud's")), "{cause}");
            let wanted = format!("s {direction} Genesys Cloud's");
            until("why names the clock", async || {
                let told = apart.site.sidetone(["why", &id.to_string()]).await;
                told.stdout.contains(&wanted).then_some(())
            })
            .await;
        }
        let finished = apart.running.stop().await;
        assert!(!finished.stderr.contains("refused: "), "{}", finished.stderr);
    });
    join_all(all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clock_that_is_set_in_mid_call_spoils_neither_that_call_nor_the_next() {
    let all = [-30, 30].map(|seconds| async move {
        let apart = Apart::by(0).await;
        let call = Neighbour::begin(&apart.site, &apart.running, ada()).await;
        set(&apart.file, seconds);
        apart.running.process.logs("system clock stepped").await;
        apart.is_known(seconds).await;
        let next = Neighbour::begin(&apart.site, &apart.running, bo()).await;
        next.takes_no_harm(&apart.site, &apart.running).await;
        call.takes_no_harm(&apart.site, &apart.running).await;
        set(&apart.file, 0);
        apart.is_known(0).await;
        let last = Neighbour::begin(&apart.site, &apart.running, ada()).await;
        last.takes_no_harm(&apart.site, &apart.running).await;
        let finished = apart.running.stop().await;
        assert!(!finished.stderr.contains("refused: "), "{}", finished.stderr);
    });
    join_all(all).await;
}
