//! Paths, methods, upgrade headers, health.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::client::{Answer, Client, Upgrade};
use super::stage::{Setup, Stage};
use crate::ReadinessCheck;

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes()
}

fn upgrade<R>(stage: &Stage<R>) -> Upgrade {
    Upgrade::signed(stage.address, stage.clock.now())
}

#[tokio::test(start_paused = true)]
async fn a_call_goes_through_the_door() {
    let stage = Setup::new().start();
    let mut client = Client::open(&stage).await;
    client.send_audio(vec![7; 3_200]).await;
    client.ping().await;
    client.close().await;
    let audio = stage.audio_after(1).await;
    assert_eq!(audio.len(), 1);
    assert!(audio[0].data.iter().all(|sample| *sample == 7));
    stage.emptied().await;
}

#[tokio::test(start_paused = true)]
async fn c1_header_names_come_in_any_case_and_order() {
    let stage = Setup::new().start();
    for spell in [str::to_ascii_lowercase, str::to_ascii_uppercase] {
        let mut upgrade = upgrade(&stage);
        for (name, _) in &mut upgrade.headers {
            *name = spell(name);
        }
        // The reference client sends the signature before the host.
        upgrade.headers.reverse();
        upgrade.connect(stage.address).await;
    }
}

#[tokio::test(start_paused = true)]
async fn c2_no_subprotocol_is_chosen_even_if_one_is_offered() {
    let stage = Setup::new().start();
    let answer = upgrade(&stage).with("Sec-WebSocket-Protocol", "audiohook-v2");
    let stream = tokio::net::TcpStream::connect(stage.address).await.unwrap();
    let answer = head_of(&answer, stream).await;
    assert_eq!(answer.status, 101);
    assert!(!answer.head.contains("sec-websocket-protocol"), "{}", answer.head);
    assert!(answer.head.contains("\r\nconnection: upgrade\r\n"), "{}", answer.head);
    assert_eq!(answer.head.matches("connection:").count(), 1, "{}", answer.head);
    assert!(answer.head.contains("\r\nupgrade: websocket\r\n"), "{}", answer.head);
    assert!(answer.head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="));
}

#[tokio::test(start_paused = true)]
async fn c3_compression_is_declined_and_the_session_works() {
    let stage = Setup::new().start();
    let offer = "permessage-deflate; client_max_window_bits";
    let answer = upgrade(&stage).with("Sec-WebSocket-Extensions", offer);
    let stream = tokio::net::TcpStream::connect(stage.address).await.unwrap();
    let head = head_of(&answer, stream).await.head;
    assert!(!head.contains("sec-websocket-extensions"), "{head}");
    let mut client =
        upgrade(&stage).with("Sec-WebSocket-Extensions", offer).connect(stage.address).await;
    client.say_open("c0ffee12-3456-4789-8abc-def012345678").await;
    assert_eq!(client.hear().await["type"], "opened");
    client.close().await;
}

#[tokio::test(start_paused = true)]
async fn c4_nothing_is_redirected() {
    let stage = Setup::new().start();
    for path in ["/", "/audiohook", "/audiohook/ws/", "//audiohook/ws", "/AudioHook/ws"] {
        let mut upgrade = upgrade(&stage);
        upgrade.target = path.to_owned();
        assert_eq!(upgrade.send(stage.address).await.status, 404, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_upgrade_is_told_so() {
    let stage = Setup::new().start();
    let cases = [
        (upgrade(&stage).without("Upgrade").without("Connection"), 426),
        (upgrade(&stage).with("Sec-WebSocket-Version", "8"), 426),
        (upgrade(&stage).with("Upgrade", "h2c"), 426),
        (upgrade(&stage).without("Sec-WebSocket-Key"), 400),
        (upgrade(&stage).with("Sec-WebSocket-Key", "short"), 400),
        (upgrade(&stage).with("Connection", "close"), 400),
        (upgrade(&stage).with("Content-Length", "4"), 400),
        (upgrade(&stage).with("Transfer-Encoding", "chunked"), 400),
    ];
    for (place, (upgrade, status)) in cases.into_iter().enumerate() {
        let answer = upgrade.send(stage.address).await;
        assert_eq!(answer.status, status, "case {place}");
        let names_version = answer.head.contains("sec-websocket-version: 13");
        assert_eq!(names_version, status == 426, "case {place}");
    }
    let post = upgrade(&stage).head().replacen("GET", "POST", 1);
    let answer = Answer::to(stage.address, post.as_bytes()).await;
    assert_eq!(answer.status, 405);
    assert!(answer.head.contains("allow: get"));
    let old = upgrade(&stage).head().replacen("HTTP/1.1", "HTTP/1.0", 1);
    assert_eq!(Answer::to(stage.address, old.as_bytes()).await.status, 400);
}

#[tokio::test(start_paused = true)]
async fn health_says_that_the_door_is_alive() {
    let stage = Setup::new().start();
    let answer = Answer::to(stage.address, &get("/healthz")).await;
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"alive\n"[..]));
    let post = b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(Answer::to(stage.address, post).await.status, 405);
}

#[tokio::test(start_paused = true)]
async fn readiness_names_each_dependency() {
    let works = Arc::new(AtomicBool::new(true));
    let looked = Arc::clone(&works);
    let mut setup = Setup::at_speed(20.0);
    setup.checks = vec![
        ReadinessCheck::new("store", || async { Ok::<_, String>(()) }),
        ReadinessCheck::new("stream", move || {
            let works = looked.load(Ordering::Relaxed);
            async move { if works { Ok(()) } else { Err("throttled") } }
        }),
    ];
    let stage = setup.start();
    let answer = Answer::to(stage.address, &get("/readyz")).await;
    assert_eq!(answer.status, 200);
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body["ready"], true);
    for name in ["clock", "store", "stream"] {
        assert_eq!(body["checks"][name]["ok"], true, "{body}");
    }
    works.store(false, Ordering::Relaxed);
    stage.clock.sleep(std::time::Duration::from_secs(2)).await;
    let answer = Answer::to(stage.address, &get("/readyz")).await;
    assert_eq!(answer.status, 503);
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((&body["ready"], &body["degraded"]), (&json!(false), &json!(true)));
    assert_eq!(body["checks"]["store"]["ok"], true);
    let stream = &body["checks"]["stream"];
    assert_eq!((&stream["ok"], &stream["cause"]), (&json!(false), &json!("throttled")));
    assert!(stream["since"].is_string(), "{body}");
}

#[tokio::test]
async fn web_site_that_resolves_to_this_machine_does_not_learn_its_readiness() {
    let mut setup = Setup::new();
    setup.door.public_authority = Some("calls.example.net".to_owned());
    let stage = setup.start();
    let cases = [
        ("localhost:8080", 200),
        ("127.0.0.1", 200),
        ("[::1]", 200),
        ("10.0.0.7:8080", 200),
        ("sidetone", 200),
        ("calls.example.net", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
    ];
    for (host, expected) in cases {
        let request = format!("GET /readyz HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(Answer::to(stage.address, request.as_bytes()).await.status, expected, "{host}");
    }
}

async fn head_of(upgrade: &Upgrade, mut stream: tokio::net::TcpStream) -> Answer {
    use tokio::io::AsyncWriteExt;
    stream.write_all(upgrade.head().as_bytes()).await.unwrap();
    Answer::read(&mut stream, true).await
}
