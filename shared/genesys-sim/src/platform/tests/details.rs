//! The conversation details query: what it finds, when, and what it refuses.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::{Breach, Platform, PlatformConfig};
use super::client::{Client, breaches, call, config, platform, until, user};
use crate::conversation::{Conversation, Who};

const PATH: &str = "/api/v2/analytics/conversations/details/query";
const DAY: &str = "2026-08-15T00:00:00.000Z/2026-08-15T23:00:00.000Z";

fn query(ends: &str) -> Value {
    let agent = user(1).id.to_string();
    json!({
        "interval": DAY,
        "order": "desc",
        "orderBy": "conversationStart",
        "paging": {"pageSize": 100, "pageNumber": 1},
        "conversationFilters": [{"type": "and", "predicates": [
            {"type": "dimension", "dimension": "conversationEnd", "operator": ends}]}],
        "segmentFilters": [
            {"type": "and", "predicates": [
                {"type": "dimension", "dimension": "mediaType", "operator": "matches",
                 "value": "voice"}]},
            {"type": "or", "predicates": [
                {"type": "dimension", "dimension": "userId", "operator": "matches",
                 "value": agent}]},
        ],
    })
}

/// A platform without lag, a client, and a call of the first user's.
async fn scene() -> (Platform, Client, Conversation) {
    let config = PlatformConfig { analytics_lag: Duration::ZERO, ..config(2, 1.0) };
    let platform = Platform::start(config).await.expect("a free port");
    let client = Client::signed_in(&platform).await;
    (platform, client, call(&user(1)))
}

async fn found(client: &Client, query: Value) -> Option<Value> {
    let (status, body) = client.post(PATH, query).await;
    assert_eq!(status, 200, "{body}");
    // Where there is nothing, there is no list.
    body.get("conversations").cloned()
}

/// The types of the agent's segments, with whether each has ended.
fn segments(record: &Value) -> Vec<(&str, bool)> {
    let mut parties = record["participants"].as_array().expect("a list").iter();
    let agent = parties.rfind(|it| it["purpose"] == "agent").expect("an agent");
    let all = agent["sessions"][0]["segments"].as_array().expect("a list").iter();
    all.map(|it| (it["segmentType"].as_str().expect("text"), it.get("segmentEnd").is_some()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_call_is_found_while_it_goes_on_and_after_its_end() {
    let (platform, client, mut call) = scene().await;
    assert_eq!(found(&client, query("notExists")).await, None);
    let at = |secs: u64| {
        let nine: sidetone_model::Timestamp = "2026-08-15T09:00:00Z".parse().expect("valid");
        nine + Duration::from_secs(secs)
    };
    let agent = user(1).id;
    platform.publish(&call.snapshot(), Duration::ZERO);
    let open = found(&client, query("notExists")).await.expect("a list");
    assert_eq!(segments(&open[0]), [("alert", false)]);
    call.answer(agent, at(20)).expect("rings");
    call.hold(agent, at(30)).expect("talks");
    call.retrieve(agent, at(40)).expect("holds");
    platform.publish(&call.snapshot(), Duration::ZERO);
    let open = found(&client, query("notExists")).await.expect("a list");
    assert_eq!(
        segments(&open[0]),
        [("alert", true), ("interact", true), ("hold", true), ("interact", false)]
    );
    call.hang_up(Who::Customer, at(50)).expect("on the call");
    call.terminate();
    platform.publish(&call.snapshot(), Duration::ZERO);
    assert_eq!(found(&client, query("notExists")).await, None);
    let ended = found(&client, query("exists")).await.expect("a list");
    assert_eq!(ended[0]["conversationEnd"], "2026-08-15T09:00:50.000Z");
    assert_eq!(segments(&ended[0]).last(), Some(&("wrapup", false)));
    assert_eq!(breaches(&platform), []);
}

#[tokio::test(start_paused = true)]
async fn filters_intervals_and_pages_choose() {
    let (platform, client, call) = scene().await;
    platform.publish(&call.snapshot(), Duration::ZERO);
    let mut other = query("notExists");
    other["segmentFilters"][1]["predicates"][0]["value"] = json!(user(2).id);
    assert_eq!(found(&client, other).await, None, "another's call");
    let mut other = query("notExists");
    other["interval"] = json!("2026-08-16T00:00:00Z/2026-08-17T00:00:00Z");
    assert_eq!(found(&client, other).await, None, "it began on another day");
    let mut other = query("notExists");
    other["paging"]["pageNumber"] = json!(2);
    assert_eq!(found(&client, other).await, None, "there is one page");
    assert!(found(&client, query("notExists")).await.is_some());
    assert_eq!(breaches(&platform), []);
}

#[tokio::test(start_paused = true)]
async fn analytics_lags_behind_what_happens() {
    let config = PlatformConfig { analytics_lag: Duration::from_millis(300), ..config(1, 1.0) };
    let platform = Platform::start(config).await.expect("a free port");
    let client = Client::signed_in(&platform).await;
    let mut call = call(&user(1));
    platform.publish(&call.snapshot(), Duration::ZERO);
    tokio::time::sleep(Duration::from_millis(400)).await;
    call.hang_up(Who::Customer, "2026-08-15T09:01:00Z".parse().expect("valid")).expect("rings");
    platform.publish(&call.snapshot(), Duration::ZERO);
    assert!(found(&client, query("notExists")).await.is_some(), "its end does not show yet");
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(found(&client, query("exists")).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_asked_is_refused_and_noticed() {
    let platform = platform(1).await;
    let client = Client::signed_in(&platform).await;
    let with = |name: &str, value: Value| {
        let mut query = query("exists");
        query[name] = value;
        query
    };
    let page = json!({"pageSize": 101, "pageNumber": 1});
    let dimension = json!([{"type": "and", "predicates": [
        {"type": "dimension", "dimension": "moon", "operator": "exists"}]}]);
    for (query, code) in [
        (with("interval", json!("2026-08-15")), "invalid.date"),
        (with("interval", Value::Null), "bad.request"),
        (with("cursor", json!("x")), "bad.request"),
        (with("orderBy", json!("moon")), "bad.request"),
        (with("conversationFilters", dimension), "invalid.property"),
        (with("paging", page), "invalid.value"),
    ] {
        let (status, body) = client.post(PATH, query).await;
        assert_eq!((status, &body["code"]), (400, &json!(code)));
    }
    let breaches = breaches(&platform);
    assert_eq!(breaches.len(), 6);
    assert_eq!(breaches[5], Breach::PageTooLarge { asked: 101, allowed: 100 });
}

#[tokio::test(start_paused = true)]
async fn the_permission_is_needed() {
    let missing = BTreeSet::from(["analytics:conversationDetail:view".to_owned()]);
    let config = PlatformConfig { missing_permissions: missing, ..config(1, 1.0) };
    let platform = Platform::start(config).await.expect("a free port");
    let client = Client::signed_in(&platform).await;
    let (status, body) = client.post(PATH, query("exists")).await;
    assert_eq!((status, &body["code"]), (403, &json!("missing.permissions")));
    assert_eq!(breaches(&platform), []);
}

#[tokio::test(start_paused = true)]
async fn polling_is_noticed() {
    let platform = platform(1).await;
    let client = Client::signed_in(&platform).await;
    for _ in 0..12 {
        client.post(PATH, query("exists")).await;
    }
    assert_eq!(breaches(&platform), []);
    client.post(PATH, query("exists")).await;
    until(|| breaches(&platform) == [Breach::DetailsPolled { in_minute: 13 }]).await;
}
