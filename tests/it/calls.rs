//! The list of calls, as `sidetone calls` prints it.

use serde_json::Value;

use crate::world::{Finished, LiveCall, SimCaller, Site, ada, delivered, until};

fn rows(listed: &Finished) -> Vec<Value> {
    assert_eq!(listed.code, Some(0), "{listed:#?}");
    listed.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_listed_with_agent_and_cause_without_the_stream() {
    let site = Site::new("").await;
    let running = site.run().await;
    let mut heard = LiveCall::begin(&site);
    let caller = SimCaller::call(&site, site.target(&running), heard.id());
    running.session_is(caller.session, "paused").await;
    heard.ring(ada());
    running.session_is(caller.session, "listening").await;
    heard.answer(ada());
    delivered(&site, caller.session, 3).await;
    heard.hang_up();
    caller.end().await;
    let missed = LiveCall::begin(&site);
    let caller = SimCaller::call(&site, site.target(&running), missed.id());
    running.session_is(caller.session, "paused").await;
    caller.end().await;
    let listed = until("both calls have ended", || async {
        let rows = rows(&site.sidetone(["calls", "--json"]).await);
        (rows.len() == 2 && rows.iter().all(|row| row["outcome"] != "running")).then_some(rows)
    })
    .await;
    assert_eq!(listed[0]["conversation_id"], heard.id().to_string());
    assert_eq!(
        (&listed[0]["outcome"], &listed[0]["cause"]),
        (&"matched".into(), &"matched".into())
    );
    assert_eq!(listed[0]["agents"][0], ada().agent().as_str(), "{listed:#?}");
    assert!(listed[0]["length_ms"].is_u64() && listed[0]["queue_id"].is_string(), "{listed:#?}");
    assert_eq!(
        (&listed[1]["outcome"], &listed[1]["cause"]),
        (&"not-matched".into(), &"never-told".into())
    );
    running.stop().await;
    for name in ["stream.db", "stream.db-wal", "stream.db-shm"] {
        let _ = std::fs::remove_file(site.data().join(name));
    }
    let not_matched = rows(&site.sidetone(["calls", "--not-matched", "--json"]).await);
    assert_eq!(not_matched.len(), 1);
    assert_eq!(not_matched[0]["conversation_id"], missed.id().to_string());
    let table = site.sidetone(["calls", "--since", "1h"]).await;
    assert!(
        table.stdout.contains("ada.ashgrove") && table.stdout.contains("never-told"),
        "{table:#?}"
    );
    assert!(table.stderr.contains("says why"), "{table:#?}");
    let none = site.sidetone(["calls", "--since", "2999-01-01T00:00:00Z"]).await;
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), ""));
    assert!(none.stderr.contains("no such calls"), "{none:#?}");
    assert_eq!(site.sidetone(["calls", "--since", "yesterday"]).await.code, Some(2));
}
