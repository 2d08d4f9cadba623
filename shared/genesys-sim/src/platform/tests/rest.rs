//! Login, users, channels and subscriptions by REST, and every limit on them.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::{Breach, Failure, Platform, UserState};
use super::client::{CLIENT_ID, Client, SECRET, Socket, breaches, call, config, platform, until};
use super::client::{topic, user};

const GRANT: &str = "grant_type=client_credentials";
const CHANNELS: &str = "/api/v2/notifications/channels";

fn subscriptions(channel: &str) -> String {
    format!("{CHANNELS}/{channel}/subscriptions")
}

#[tokio::test(start_paused = true)]
async fn credentials_give_a_token_and_refusals_read_as_in_the_table() {
    let platform = platform(1).await;
    let client = Client::new(&platform);
    let good = client.ask_token(CLIENT_ID, SECRET, GRANT).await;
    assert_eq!(good.status(), 200);
    let body: Value = good.json().await.expect("JSON");
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("bearer"), &json!(86_399)));
    let none = Uuid::nil().to_string();
    for (id, secret, form, status, error, description) in [
        (none.as_str(), SECRET, GRANT, 400, "invalid_client", "client not found"),
        (CLIENT_ID, "wrong", GRANT, 401, "invalid_client", "authentication failed"),
        (CLIENT_ID, SECRET, "", 400, "invalid_request", "grant_type missing"),
        (
            CLIENT_ID,
            SECRET,
            "grant_type=password",
            400,
            "unsupported_grant_type",
            "unsupported grant type",
        ),
    ] {
        let answer = client.ask_token(id, secret, form).await;
        assert_eq!(answer.status(), status, "{form}");
        assert!(answer.headers().contains_key("inin-correlation-id"));
        let body: Value = answer.json().await.expect("JSON");
        let expected = json!({
            "error": error, "description": description, "error_description": description,
        });
        assert_eq!(body, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_ways_to_sign_in_are_noticed() {
    let platform = platform(1).await;
    let client = Client::new(&platform);
    client.ask_token(CLIENT_ID, SECRET, "grant_type=password").await;
    client.ask_token(CLIENT_ID, SECRET, "grant_type=client_credentials&scope=all").await;
    let in_form = format!("{GRANT}&client_id={CLIENT_ID}&client_secret=x");
    client.ask_token(CLIENT_ID, SECRET, &in_form).await;
    assert_eq!(
        breaches(&platform),
        [
            Breach::WrongGrantType { got: "password".into() },
            Breach::ScopeRequested,
            Breach::SecretInForm,
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_for_every_call_is_noticed() {
    let platform = platform(1).await;
    let mut client = Client::new(&platform);
    for _ in 0..6 {
        client.sign_in().await;
    }
    assert_eq!(breaches(&platform), []);
    client.sign_in().await;
    assert_eq!(breaches(&platform), [Breach::TokenPerCall { in_minute: 7 }]);
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_tried_at_once_are_noticed() {
    let platform = platform(1).await;
    let client = Client::new(&platform);
    client.ask_token(CLIENT_ID, "wrong", GRANT).await;
    assert_eq!(breaches(&platform), []);
    client.ask_token(CLIENT_ID, "wrong", GRANT).await;
    assert!(matches!(breaches(&platform)[..], [Breach::RefusedCredentialsRetried { .. }]));
}

#[tokio::test(start_paused = true)]
async fn every_answer_has_a_correlation_id_and_errors_the_envelope() {
    let platform = platform(1).await;
    let client = Client::signed_in(&platform).await;
    let answer = client.send(Method::GET, "/api/v2/users/nobody", None).await;
    assert_eq!(answer.status(), 404);
    let header = answer.headers()["inin-correlation-id"].to_str().expect("text").to_owned();
    assert_eq!(answer.headers()["genesys-correlation-id"], header);
    let body: Value = answer.json().await.expect("JSON");
    assert_eq!(body["code"], "general.resource.not.found");
    assert_eq!((&body["status"], &body["contextId"]), (&json!(404), &json!(header)));
    for field in ["message", "messageWithParams", "messageParams", "details", "errors"] {
        assert!(body.get(field).is_some(), "{field}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_a_living_token_opens_the_api() {
    let platform = platform(1).await;
    let mut client = Client::new(&platform);
    let (status, body) = client.get("/api/v2/date").await;
    assert_eq!((status, &body["code"]), (401, &json!("authentication.required")));
    assert_eq!(breaches(&platform), [Breach::MissingAuthorization { path: "/api/v2/date".into() }]);
    client.token = Some("nonsense".into());
    let (status, body) = client.get("/api/v2/date").await;
    assert_eq!((status, &body["code"]), (401, &json!("bad.credentials")));
    client.sign_in().await;
    let (status, body) = client.get("/api/v2/tokens/me").await;
    assert_eq!(status, 200);
    assert_eq!(body["organization"]["id"], Uuid::from_u128(7).to_string());
    assert_eq!(client.head("/api/v2/tokens/me").await, 200);
    platform.revoke_tokens();
    assert_eq!(client.head("/api/v2/tokens/me").await, 401);
    client.sign_in().await;
    assert!(client.get("/api/v2/date").await.1["currentDate"].is_string());
    assert_eq!(client.send(Method::DELETE, "/api/v2/tokens/me", None).await.status(), 200);
    assert_eq!(client.head("/api/v2/tokens/me").await, 401);
}

#[tokio::test(start_paused = true)]
async fn a_token_expires_and_using_it_on_is_noticed() {
    let mut config = config(1, 300.0);
    config.token_validity = Duration::from_secs(300);
    let platform = Platform::start(config).await.expect("a free port");
    let client = Client::signed_in(&platform).await;
    assert_eq!(client.head("/api/v2/date").await, 404, "HEAD is for tokens and channels");
    while client.get("/api/v2/date").await.0 == 200 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    client.get("/api/v2/date").await;
    let last = breaches(&platform).pop();
    assert!(matches!(last, Some(Breach::RefusedTokenReused { .. })), "{last:?}");
}

#[tokio::test(start_paused = true)]
async fn users_come_in_pages_that_name_the_next() {
    let platform = platform(60).await;
    let client = Client::signed_in(&platform).await;
    let mut path = "/api/v2/users".to_owned();
    let mut seen = BTreeSet::new();
    let mut pages = Vec::new();
    loop {
        let (status, body) = client.get(&path).await;
        assert_eq!(status, 200);
        let entities = body["entities"].as_array().expect("a list").clone();
        pages.push(entities.len());
        seen.extend(entities.iter().map(|user| user["username"].to_string()));
        assert_eq!((&body["total"], &body["pageCount"]), (&json!(60), &json!(3)));
        let Some(next) = body["nextUri"].as_str() else { break };
        path = next.to_owned();
    }
    assert_eq!((pages, seen.len()), (vec![25, 25, 10], 60));
    assert_eq!(client.get("/api/v2/users?pageSize=500").await.1["pageCount"], 1);
    assert_eq!(client.get("/api/v2/users?pageNumber=0").await.0, 400);
    assert_eq!(breaches(&platform), []);
    assert_eq!(client.get("/api/v2/users?pageSize=501").await.0, 400);
    assert_eq!(breaches(&platform), [Breach::PageTooLarge { asked: 501, allowed: 500 }]);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_ids_are_a_request_and_one_more_is_not() {
    let platform = platform(120).await;
    let client = Client::signed_in(&platform).await;
    let ids = |count: u128| {
        (1..=count).map(|number| format!("&id={}", user(number).id)).collect::<String>()
    };
    let (status, body) = client.get(&format!("/api/v2/users?pageSize=100{}", ids(100))).await;
    assert_eq!((status, body["entities"].as_array().map(Vec::len)), (200, Some(100)));
    // Paging applies to lists of ids, too, and their next page knows the ids.
    let (_, body) = client.get(&format!("/api/v2/users?pageSize=40{}", ids(60))).await;
    let next = body["nextUri"].as_str().expect("a second page");
    assert_eq!(client.get(next).await.1["entities"].as_array().map(Vec::len), Some(20));
    let (status, body) = client.get(&format!("/api/v2/users?pageSize=200{}", ids(101))).await;
    assert_eq!((status, &body["code"]), (400, &json!("max.user.ids")));
    assert_eq!(breaches(&platform), [Breach::TooManyUserIds { asked: 101 }]);
}

#[tokio::test(start_paused = true)]
async fn users_are_found_by_their_state() {
    let platform = platform(3).await;
    let client = Client::signed_in(&platform).await;
    let (mut two, mut three) = (user(2), user(3));
    two.state = UserState::Inactive;
    three.state = UserState::Deleted;
    platform.put_user(two.clone());
    platform.put_user(three.clone());
    for (state, total) in
        [("", 1), ("?state=inactive", 1), ("?state=deleted", 1), ("?state=any", 3)]
    {
        let (_, body) = client.get(&format!("/api/v2/users{state}")).await;
        assert_eq!(body["total"], total, "{state}");
    }
    assert_eq!(client.get(&format!("/api/v2/users/{}", two.id)).await.1["state"], "inactive");
    assert_eq!(client.get(&format!("/api/v2/users/{}", three.id)).await.0, 404);
    let deleted = client.get(&format!("/api/v2/users/{}?state=deleted", three.id)).await;
    assert_eq!(deleted.1["username"], three.username);
    assert_eq!(breaches(&platform), []);
}

#[tokio::test(start_paused = true)]
async fn three_hundred_requests_a_minute_and_then_a_wait() {
    let platform = Platform::start(config(1, 1.0)).await.expect("a free port");
    let client = Client::signed_in(&platform).await;
    for count in 1..=300 {
        let answer = client.send(Method::GET, "/api/v2/date", None).await;
        assert_eq!(answer.status(), 200, "{count}");
        assert_eq!(answer.headers()["inin-ratelimit-count"], count.to_string());
        assert_eq!(answer.headers()["inin-ratelimit-allowed"], "300");
    }
    assert_eq!(breaches(&platform), []);
    let answer = client.send(Method::GET, "/api/v2/date", None).await;
    assert_eq!(answer.status(), 429);
    let wait: u64 = answer.headers()["retry-after"].to_str().expect("text").parse().expect("s");
    assert!((1..=60).contains(&wait));
    let body: Value = answer.json().await.expect("JSON");
    assert_eq!(body["code"], "too.many.requests.retry.after");
    assert_eq!(breaches(&platform), [Breach::TooManyRequests { allowed: 300 }]);
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(client.get("/api/v2/date").await.0, 429);
    assert!(matches!(breaches(&platform)[1..], [Breach::RetriedTooSoon { .. }]));
    assert_eq!(platform.stats().requests_per_minute_most, 302);
    assert_eq!(platform.stats().throttled, 2);
}

#[tokio::test(start_paused = true)]
async fn the_rate_belongs_to_a_token_and_a_window() {
    // A minute takes 200 ms.
    let mut config = config(1, 300.0);
    config.limits.requests_per_minute = 5;
    let platform = Platform::start(config).await.expect("a free port");
    let mut client = Client::signed_in(&platform).await;
    for _ in 0..2 {
        for _ in 0..5 {
            assert_eq!(client.get("/api/v2/date").await.0, 200);
        }
        tokio::time::sleep(Duration::from_millis(210)).await;
    }
    for _ in 0..2 {
        client.sign_in().await;
        for _ in 0..5 {
            assert_eq!(client.get("/api/v2/date").await.0, 200);
        }
    }
    assert_eq!(breaches(&platform), []);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_topics_fit_and_one_more_changes_nothing() {
    let platform = platform(1_001).await;
    let client = Client::signed_in(&platform).await;
    let (id, _) = client.channel().await;
    let topics = |range: std::ops::RangeInclusive<u128>| -> Vec<Value> {
        range.map(|number| topic(&user(number))).collect()
    };
    let (status, body) = client.put(&subscriptions(&id), json!(topics(1..=1_000))).await;
    assert_eq!(status, 200);
    let entities = body["entities"].as_array().expect("a list");
    assert_eq!(entities.len(), 1_000);
    assert_eq!(entities[0]["state"], "Permitted");
    let (status, _) = client.post(&subscriptions(&id), json!(topics(1..=1))).await;
    assert_eq!(status, 200, "known topics are no new ones");
    assert_eq!(breaches(&platform), []);
    for answer in [
        client.put(&subscriptions(&id), json!(topics(1..=1_001))).await,
        client.post(&subscriptions(&id), json!(topics(1_001..=1_001))).await,
    ] {
        assert_eq!(answer.0, 400);
        assert_eq!(answer.1["code"], "notification.subscription.too.many.subscriptions");
    }
    let too_many = Breach::TooManyTopics { asked: 1_001, allowed: 1_000 };
    assert_eq!(breaches(&platform), [too_many.clone(), too_many]);
    let (_, body) = client.get(&subscriptions(&id)).await;
    assert_eq!(body["entities"].as_array().map(Vec::len), Some(1_000));
    assert_eq!(client.send(Method::DELETE, &subscriptions(&id), None).await.status(), 200);
    assert_eq!(platform.stats().topics, 0);
}

#[tokio::test(start_paused = true)]
async fn one_forbidden_topic_refuses_all_unless_errors_are_ignored() {
    let mut config = config(2, 1.0);
    let forbidden = Uuid::from_u128(99);
    config.forbidden_divisions.insert(forbidden);
    config.users[1].division = forbidden;
    let platform = Platform::start(config).await.expect("a free port");
    let client = Client::signed_in(&platform).await;
    let (id, _) = client.channel().await;
    let both = json!([topic(&user(1)), topic(&user(2))]);
    let (status, body) = client.put(&subscriptions(&id), both.clone()).await;
    assert_eq!(status, 403);
    assert_eq!(body["code"], "notification.unauthorized.divisioned.topic");
    assert_eq!(platform.stats().topics, 0, "nothing is subscribed");
    let path = format!("{}?ignoreErrors=true", subscriptions(&id));
    let (status, body) = client.put(&path, both).await;
    assert_eq!(status, 200);
    assert_eq!(body["entities"][0]["state"], "Permitted");
    assert_eq!(body["entities"][1]["state"], "Rejected");
    assert!(body["entities"][1]["missingPermissions"][0].is_string());
    assert_eq!(platform.stats().topics, 1);
    assert_eq!(breaches(&platform), []);
}

#[tokio::test(start_paused = true)]
async fn unknown_topics_are_named_even_if_errors_are_ignored() {
    let platform = platform(1).await;
    let client = Client::signed_in(&platform).await;
    let (id, _) = client.channel().await;
    let path = format!("{}?ignoreErrors=true", subscriptions(&id));
    let (status, body) = client.put(&path, json!([topic(&user(1)), topic(&user(9))])).await;
    assert_eq!((status, &body["code"]), (400, &json!("notification.invalid.topic")));
    assert!(body["message"].as_str().expect("text").contains(&user(9).id.to_string()));
    assert_eq!(breaches(&platform), [], "users may vanish");
    let (status, _) = client.put(&path, json!([{ "id": "v2.users.*.conversations" }])).await;
    assert_eq!(status, 400);
    let topic = "v2.users.*.conversations".to_owned();
    assert_eq!(breaches(&platform), [Breach::MalformedTopic { topic }]);
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_is_gone_says_so_in_three_ways() {
    let platform = platform(1).await;
    let client = Client::signed_in(&platform).await;
    let (id, uri) = client.channel().await;
    let path = format!("{CHANNELS}/{id}");
    assert_eq!(client.head(&path).await, 200);
    platform.expire_channels();
    assert_eq!(client.head(&path).await, 404);
    let one = json!([topic(&user(1))]);
    let (status, body) = client.put(&subscriptions(&id), one.clone()).await;
    assert_eq!((status, &body["code"]), (404, &json!("entity.not.found")));
    let (status, body) = client.post(&subscriptions(&id), one).await;
    assert_eq!((status, &body["code"]), (400, &json!("notification.unable.to.get.channel.id")));
    assert!(tokio_tungstenite::connect_async(&uri).await.is_err());
    assert_eq!(platform.stats().upgrades_refused, 1);
    assert_eq!(breaches(&platform), []);
}

#[tokio::test(start_paused = true)]
async fn channels_expire_a_day_after_the_last_subscription() {
    // A day takes 1.7 s.
    let mut config = config(1, 50_000.0);
    config.token_validity = Duration::from_secs(172_800_000);
    let platform = Platform::start(config).await.expect("a free port");
    let client = Client::signed_in(&platform).await;
    let (id, uri, mut socket) = client.listen_to(&user(1)).await;
    while socket.next().await.is_some() {}
    assert_eq!(client.head(&format!("{CHANNELS}/{id}")).await, 404);
    assert!(tokio_tungstenite::connect_async(&uri).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_channel_dies_with_its_token() {
    let platform = platform(1).await;
    let mut client = Client::signed_in(&platform).await;
    let (id, _, mut socket) = client.listen_to(&user(1)).await;
    platform.revoke_tokens();
    let notice = socket.next().await.expect("a notice");
    assert!(notice["topicName"].as_str().expect("text").starts_with("v2.system.token_revoked."));
    assert_eq!(socket.next().await, None);
    client.sign_in().await;
    assert_eq!(client.head(&format!("{CHANNELS}/{id}")).await, 404);
}

#[tokio::test(start_paused = true)]
async fn the_twenty_first_channel_removes_the_oldest_unconnected_one() {
    let mut config = config(1, 1.0);
    config.limits.channels_per_ten_seconds = 100;
    let platform = Platform::start(config).await.expect("a free port");
    let client = Client::signed_in(&platform).await;
    let (connected, uri) = client.channel().await;
    let _socket = Socket::open(&uri).await;
    let (oldest, _) = client.channel().await;
    for _ in 2..20 {
        tokio::time::sleep(Duration::from_millis(1)).await;
        client.channel().await;
    }
    assert_eq!(client.head(&format!("{CHANNELS}/{oldest}")).await, 200);
    client.channel().await;
    assert_eq!(client.head(&format!("{CHANNELS}/{oldest}")).await, 404);
    assert_eq!(client.head(&format!("{CHANNELS}/{connected}")).await, 200);
    assert_eq!((platform.stats().channels_alive, platform.stats().channels_evicted), (20, 1));
    assert_eq!(breaches(&platform), []);
    let own = client.get(CHANNELS).await.1;
    assert_eq!(own["entities"].as_array().map(Vec::len), Some(20));
    let other = Client::signed_in(&platform).await;
    assert_eq!(other.get(CHANNELS).await.1["entities"], json!([]));
    let all = other.get(&format!("{CHANNELS}?includechannels=oauthclient")).await.1;
    assert_eq!(all["entities"].as_array().map(Vec::len), Some(20));
    assert!(all["entities"][0].get("id").is_none(), "other tokens' ids are hidden");
}

#[tokio::test(start_paused = true)]
async fn removing_a_channel_in_use_is_held_against_the_client() {
    let mut config = config(1, 1.0);
    config.limits.channels_max = 1;
    let platform = Platform::start(config).await.expect("a free port");
    let client = Client::signed_in(&platform).await;
    let (_, _, mut socket) = client.listen_to(&user(1)).await;
    client.channel().await;
    assert_eq!(socket.next().await, None);
    assert_eq!(breaches(&platform), [Breach::ConnectedChannelEvicted]);
}

#[tokio::test(start_paused = true)]
async fn channels_in_a_storm_are_throttled() {
    let platform = platform(1).await;
    let client = Client::signed_in(&platform).await;
    for _ in 0..14 {
        client.channel().await;
    }
    assert_eq!(breaches(&platform), []);
    assert_eq!(client.post(CHANNELS, json!({})).await.0, 429);
    assert_eq!(breaches(&platform), [Breach::ChannelStorm { in_ten_seconds: 15 }]);
}

#[tokio::test(start_paused = true)]
async fn planted_failures_come_in_every_form_and_then_end() {
    let platform = platform(1).await;
    let client = Client::signed_in(&platform).await;
    platform.fail_next(1, Failure::Html);
    let page = client.send(Method::GET, "/api/v2/date", None).await;
    assert_eq!(page.status(), 502);
    assert!(page.text().await.expect("text").starts_with("<html>"));
    platform.fail_next_at("/users", 1, Failure::HalfJson);
    let path = "/api/v2/tokens/me";
    assert_eq!(client.get(path).await.0, 200, "not meant");
    let half = client.send(Method::GET, "/api/v2/users", None).await;
    assert_eq!(half.status(), 200);
    assert!(half.json::<Value>().await.is_err());
    platform.fail_next(1, Failure::Silence(Duration::from_millis(80)));
    let begun = tokio::time::Instant::now();
    assert_eq!(client.get(path).await.0, 504);
    assert!(begun.elapsed() >= Duration::from_millis(80));
    let busy = Failure::Status { status: 429, retry_after: Some(Duration::from_secs(42)) };
    platform.fail_next(1, busy);
    let answer = client.send(Method::GET, path, None).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["retry-after"]),
        (429, &"42".parse().expect("a value"))
    );
    assert_eq!(breaches(&platform), []);
    tokio::time::sleep(Duration::from_millis(120)).await;
    assert_eq!(client.get(path).await.0, 200);
    assert!(matches!(breaches(&platform)[..], [Breach::RetriedTooSoon { .. }]));
}

#[tokio::test(start_paused = true)]
async fn what_the_sheet_does_not_know_is_noticed() {
    let platform = platform(1).await;
    let client = Client::signed_in(&platform).await;
    let ask = |path: &'static str| client.get(path);
    assert_eq!(ask("/api/v2/users/me").await.1["code"], "not.a.user");
    assert_eq!(ask("/api/v2/conversations").await.1, json!({ "entities": [] }));
    assert_eq!(ask("/api/v2/nothing").await.0, 404);
    assert_eq!(ask("/channels/streaming-4-secret").await.0, 404);
    let path = || "/api/v2/users/me".to_owned();
    assert_eq!(
        breaches(&platform),
        [
            Breach::NeedsUser { path: path() },
            Breach::ConversationsPolled,
            Breach::UnknownEndpoint { method: "GET".into(), path: "/api/v2/nothing".into() },
            Breach::WrongHost { host: "API", path: "/channels/{id}".into() },
        ]
    );
    ask("/api/v2/date?access_token=x").await;
    let last = breaches(&platform).pop();
    assert_eq!(last, Some(Breach::TokenInQuery { path: "/api/v2/date".into() }));
}

#[tokio::test(start_paused = true)]
async fn each_host_knows_its_own_paths_only() {
    let platform = platform(1).await;
    let mut client = Client::new(&platform);
    client.login = client.api.clone();
    assert_eq!(client.ask_token(CLIENT_ID, SECRET, GRANT).await.status(), 404);
    let wrong = Breach::WrongHost { host: "API", path: "/oauth/token".into() };
    assert_eq!(breaches(&platform), [wrong]);
}

#[tokio::test(start_paused = true)]
async fn bodies_have_a_type_and_a_limit() {
    let platform = platform(1).await;
    let client = Client::signed_in(&platform).await;
    let (id, _) = client.channel().await;
    let (status, body) = client.put(&subscriptions(&id), json!("x".repeat(512_001))).await;
    assert_eq!((status, &body["code"]), (413, &json!("request.entity.too.large")));
    assert!(matches!(breaches(&platform)[..], [Breach::BodyTooLarge { .. }]));
    let untyped = client.send(Method::PUT, &subscriptions(&id), None).await;
    assert_eq!(untyped.status(), 415);
    assert!(matches!(breaches(&platform)[1..], [Breach::WrongContentType { .. }]));
    assert_eq!(client.put(&subscriptions(&id), json!({})).await.0, 400);
}

#[tokio::test(start_paused = true)]
async fn a_conversation_can_be_read_as_it_was_published_last() {
    let platform = platform(1).await;
    let client = Client::signed_in(&platform).await;
    let call = call(&user(1));
    let path = format!("/api/v2/conversations/{}", call.key().conversation);
    assert_eq!(client.get(&path).await.0, 404);
    platform.publish(&call.snapshot(), Duration::ZERO);
    let (status, body) = client.get(&path).await;
    assert_eq!(status, 200);
    assert_eq!(body["participants"].as_array().map(Vec::len), Some(4));
}

#[tokio::test(start_paused = true)]
async fn a_stopped_platform_frees_its_address_for_the_next() {
    let platform = platform(1).await;
    let client = Client::signed_in(&platform).await;
    let (_, _, mut socket) = client.listen_to(&user(1)).await;
    let login = client.login.trim_start_matches("http://").parse().expect("an address");
    platform.stop().await;
    assert_eq!(socket.next().await, None);
    until(|| std::net::TcpListener::bind::<std::net::SocketAddr>(login).is_ok()).await;
}
