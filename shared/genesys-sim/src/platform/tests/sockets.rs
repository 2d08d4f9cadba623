//! Notification sockets: events, heartbeats, takeovers and ends.

use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::super::{Breach, Delivery, Platform};
use super::client::{Client, Socket, breaches, call, config, platform, until, user};

fn topic_of(message: &Value) -> &str {
    message["topicName"].as_str().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_reaches_those_who_listen_to_one_of_its_users() {
    let platform = platform(2).await;
    let client = Client::signed_in(&platform).await;
    let (_, _, mut socket) = client.listen_to(&user(1)).await;
    let (_, _, mut other) = client.listen_to(&user(2)).await;
    let call = call(&user(1));
    platform.publish(&call.snapshot(), Duration::ZERO);
    let event = socket.next().await.expect("an event");
    assert_eq!(topic_of(&event), format!("v2.users.{}.conversations", user(1).id));
    assert_eq!(event["version"], "2");
    assert_eq!(event["eventBody"]["id"], call.key().conversation.to_string());
    assert!(event["metadata"]["CorrelationId"].is_string());
    assert!(other.is_silent_for(Duration::from_millis(50)).await);
    assert_eq!(breaches(&platform), []);
}

#[tokio::test(start_paused = true)]
async fn s32_what_a_combined_topic_brings_is_named_singly() {
    let platform = platform(1).await;
    let client = Client::signed_in(&platform).await;
    let (id, uri) = client.channel().await;
    let mut socket = Socket::open(&uri).await;
    let ada = user(1).id;
    let combined = format!("v2.users.{ada}?presence&routingStatus&conversations");
    let path = format!("/api/v2/notifications/channels/{id}/subscriptions");
    let (status, _) = client.put(&path, json!([{ "id": combined }])).await;
    assert_eq!((status, platform.stats().topics), (200, 1));
    platform.tell_status(ada);
    platform.publish(&call(&user(1)).snapshot(), Duration::ZERO);
    for name in ["presence", "routingStatus", "conversations"] {
        let event = socket.next().await.expect("an event");
        assert_eq!(topic_of(&event), format!("v2.users.{ada}.{name}"));
    }
    let (_, _, mut other) = client.listen_to(&user(1)).await;
    platform.tell_status(ada);
    assert!(other.is_silent_for(Duration::from_millis(50)).await);
    assert_eq!(breaches(&platform), []);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_for_those_who_come_later() {
    let platform = platform(1).await;
    platform.publish(&call(&user(1)).snapshot(), Duration::ZERO);
    until(|| platform.stats().unheard == 1).await;
    let client = Client::signed_in(&platform).await;
    let (_, _, mut socket) = client.listen_to(&user(1)).await;
    assert!(socket.is_silent_for(Duration::from_millis(50)).await);
}

#[tokio::test(start_paused = true)]
async fn events_come_late_twice_out_of_order_or_never() {
    let platform = platform(1).await;
    let client = Client::signed_in(&platform).await;
    let (_, _, mut socket) = client.listen_to(&user(1)).await;
    let mut call = call(&user(1));
    let ringing = call.snapshot();
    call.answer(user(1).id, "2026-08-15T09:00:12.864Z".parse().expect("valid")).expect("rings");
    platform.publish_by(&call.snapshot(), Delivery::lost());
    platform.publish_by(&ringing, Delivery::after(Duration::from_millis(150)));
    platform.publish_by(&call.snapshot(), Delivery::twice(Duration::from_millis(50)));
    let mut states = Vec::new();
    for _ in 0..3 {
        let event = socket.next().await.expect("an event");
        let agent = event["eventBody"]["participants"][3].clone();
        states.push(agent["calls"][0]["state"].as_str().unwrap_or_default().to_owned());
    }
    assert_eq!(states, ["connected", "connected", "alerting"]);
    assert!(socket.is_silent_for(Duration::from_millis(50)).await);
}

#[tokio::test(start_paused = true)]
async fn heartbeats_come_every_thirty_seconds_and_pings_are_answered() {
    let platform = Platform::start(config(1, 300.0)).await.expect("a free port");
    let client = Client::signed_in(&platform).await;
    let (_, uri) = client.channel().await;
    let mut socket = Socket::open(&uri).await;
    let beat = json!({
        "topicName": "channel.metadata", "eventBody": { "message": "WebSocket Heartbeat" },
    });
    assert_eq!(socket.next().await, Some(beat));
    socket.say(Message::text(r#"{"message":"ping"}"#)).await;
    let pong = json!({ "topicName": "channel.metadata", "eventBody": { "message": "pong" } });
    while socket.next().await != Some(pong.clone()) {}
    assert_eq!(platform.stats().pings, 1);
    assert_eq!(breaches(&platform), []);
}

#[tokio::test(start_paused = true)]
async fn a_second_socket_takes_the_channel_and_is_held_against_the_client() {
    let platform = platform(1).await;
    let client = Client::signed_in(&platform).await;
    let (_, uri, mut first) = client.listen_to(&user(1)).await;
    let mut second = Socket::open(&uri).await;
    let notice = first.next().await.expect("a notice");
    assert!(topic_of(&notice).starts_with("v2.system.no_longer_subscribed."));
    assert_eq!(notice["eventBody"]["reason"], "another_channel_subscribed");
    assert_eq!(first.next().await, None);
    platform.publish(&call(&user(1)).snapshot(), Duration::ZERO);
    assert!(second.next().await.is_some());
    assert_eq!(breaches(&platform), [Breach::SecondSocket]);
}

#[tokio::test(start_paused = true)]
async fn reconnecting_after_the_first_socket_ended_breaks_no_rule() {
    let platform = platform(1).await;
    let client = Client::signed_in(&platform).await;
    let (_, uri, mut socket) = client.listen_to(&user(1)).await;
    for _ in 0..5 {
        drop(socket);
        socket = Socket::open(&uri).await;
    }
    platform.kill_sockets();
    assert_eq!(socket.next().await, None);
    let mut socket = Socket::open(&uri).await;
    platform.publish(&call(&user(1)).snapshot(), Duration::ZERO);
    assert!(socket.next().await.is_some(), "subscriptions belong to the channel");
    assert_eq!(breaches(&platform), []);
}

#[tokio::test(start_paused = true)]
async fn a_planned_swap_may_have_two_sockets() {
    let platform = platform(1).await;
    let client = Client::signed_in(&platform).await;
    let (_, uri, mut first) = client.listen_to(&user(1)).await;
    platform.announce_closing();
    assert_eq!(topic_of(&first.next().await.expect("a notice")), "v2.system.socket_closing");
    let mut second = Socket::open(&uri).await;
    platform.publish(&call(&user(1)).snapshot(), Duration::ZERO);
    assert!(first.next().await.is_some() && second.next().await.is_some());
    assert_eq!(breaches(&platform), []);
}

#[tokio::test(start_paused = true)]
async fn who_ignores_socket_closing_is_cut_off_after_a_minute() {
    let platform = Platform::start(config(1, 600.0)).await.expect("a free port");
    let client = Client::signed_in(&platform).await;
    let (_, _, mut socket) = client.listen_to(&user(1)).await;
    platform.announce_closing();
    while socket.next().await.is_some() {}
    let allowed = Duration::from_secs(60);
    assert_eq!(breaches(&platform), [Breach::StayedAfterSocketClosing { allowed }]);
}

#[tokio::test(start_paused = true)]
async fn a_stalled_socket_is_silent_and_may_be_replaced() {
    let platform = platform(1).await;
    let client = Client::signed_in(&platform).await;
    let (_, uri, mut socket) = client.listen_to(&user(1)).await;
    platform.stall_sockets();
    socket.say(Message::text(r#"{"message":"ping"}"#)).await;
    platform.publish(&call(&user(1)).snapshot(), Duration::ZERO);
    assert!(socket.is_silent_for(Duration::from_millis(80)).await);
    drop(socket);
    let mut socket = Socket::open(&uri).await;
    platform.publish(&call(&user(1)).snapshot(), Duration::ZERO);
    assert!(socket.next().await.is_some());
    assert_eq!(breaches(&platform), []);
}

#[tokio::test(start_paused = true)]
async fn refused_upgrades_leave_the_channel_alive() {
    let platform = platform(1).await;
    let client = Client::signed_in(&platform).await;
    let (_, uri) = client.channel().await;
    platform.refuse_upgrades(1, 403);
    assert!(tokio_tungstenite::connect_async(&uri).await.is_err());
    Socket::open(&uri).await;
    assert_eq!(platform.stats().upgrades_refused, 1);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_belong_on_the_upgrade_is_noticed() {
    let platform = platform(1).await;
    let client = Client::signed_in(&platform).await;
    let (_, uri) = client.channel().await;
    let mut request = uri.as_str().into_client_request().expect("an address");
    let headers = request.headers_mut();
    headers.insert("authorization", "Bearer x".parse().expect("a value"));
    assert!(tokio_tungstenite::connect_async(request).await.is_ok());
    assert_eq!(breaches(&platform), [Breach::AuthorizationOnSocket]);
    Socket::open(&format!("{uri}?token=x")).await;
    assert_eq!(breaches(&platform)[1..], [Breach::ConnectUriChanged]);
    let mut request = uri.as_str().into_client_request().expect("an address");
    let headers = request.headers_mut();
    headers.insert("sec-websocket-protocol", "chat".parse().expect("a value"));
    // The library refuses an answer that leaves the offer unanswered.
    assert!(tokio_tungstenite::connect_async(request).await.is_err());
    assert!(breaches(&platform).contains(&Breach::SubprotocolOffered));
}

#[tokio::test(start_paused = true)]
async fn the_socket_speaks_ping_and_subscribe_only() {
    let platform = platform(1).await;
    let client = Client::signed_in(&platform).await;
    let (_, uri) = client.channel().await;
    let mut socket = Socket::open(&uri).await;
    let topic = format!("v2.users.{}.conversations", user(1).id);
    let subscribe =
        json!({ "message": "subscribe", "topics": [topic], "correlationId": "k3J9s0d1" });
    socket.say(Message::text(subscribe.to_string())).await;
    let answer = socket.next().await.expect("an answer");
    assert_eq!((&answer["result"], &answer["status"]), (&json!("200"), &json!("subscribed")));
    platform.publish(&call(&user(1)).snapshot(), Duration::ZERO);
    assert_eq!(topic_of(&socket.next().await.expect("an event")), topic);
    socket.say(Message::binary(vec![1, 2, 3])).await;
    socket.say(Message::text("hello")).await;
    socket.say(Message::text(r#"{"message":"unsubscribe"}"#)).await;
    until(|| breaches(&platform).len() == 3).await;
    assert!(socket.is_silent_for(Duration::from_millis(30)).await);
}

#[tokio::test(start_paused = true)]
async fn a_topic_on_two_channels_brings_each_event_twice() {
    let platform = platform(1).await;
    let client = Client::signed_in(&platform).await;
    let (_, _, mut old) = client.listen_to(&user(1)).await;
    let (_, _, mut new) = client.listen_to(&user(1)).await;
    platform.publish(&call(&user(1)).snapshot(), Duration::ZERO);
    assert!(old.next().await.is_some() && new.next().await.is_some());
    assert_eq!(platform.stats().delivered, 2);
    platform.close_sockets();
    assert_eq!((old.next().await, new.next().await), (None, None));
    until(|| platform.stats().sockets_open == 0).await;
    assert_eq!(breaches(&platform), []);
}
