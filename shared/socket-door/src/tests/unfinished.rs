//! Sessions that begin something and do not go on, and sockets that share a session.

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use uuid::Uuid;

use super::client::{Client, OPCODE_BINARY, OPCODE_TEXT, Upgrade, frame, header};
use super::stage::Setup;

/// What begins a message and leaves it unfinished.
fn beginnings() -> Vec<Vec<u8>> {
    let mut half = header(true, OPCODE_BINARY, 1_600);
    half.extend([0xff; 800]);
    vec![
        frame(false, OPCODE_BINARY, &[0xff; 160]),
        frame(false, OPCODE_TEXT, b"{\"version\":"),
        half,
        vec![0x82],
    ]
}

#[tokio::test(start_paused = true)]
async fn message_that_is_not_finished_ends_its_session_after_ten_seconds() {
    let stage = Setup::new().start();
    for beginning in beginnings() {
        let mut client = Client::open(&stage).await;
        client.ping().await;
        let began = Instant::now();
        client.socket.get_mut().write_all(&beginning).await.unwrap();
        let told = client.hear().await;
        let waited = began.elapsed().as_secs();
        assert_eq!(told["type"], "disconnect", "{told}");
        assert_eq!(told["parameters"]["reason"], "error");
        assert!((10..12).contains(&waited), "{waited} s of the clock for {beginning:?}");
        assert_eq!(client.close_code().await, Some(CloseCode::Policy));
    }
    stage.emptied().await;
}

#[tokio::test(start_paused = true)]
async fn stepped_world_time_moves_no_deadline_of_a_session() {
    for step in [-40_000_000, -30_000_000, 30_000_000, 40_000_000] {
        let stage = Setup::new().start();
        let mut client = Client::open(&stage).await;
        client.ping().await;
        stage.clock.step(step);
        stage.clock.sleep(std::time::Duration::from_secs(4)).await;
        client.ping().await;
        let began = Instant::now();
        client
            .socket
            .get_mut()
            .write_all(&frame(false, OPCODE_BINARY, &[0xff; 160]))
            .await
            .unwrap();
        let told = client.hear().await;
        let waited = began.elapsed().as_secs();
        assert_eq!(told["type"], "disconnect", "{told}");
        assert!((10..12).contains(&waited), "{waited} s of the clock, stepped by {step} µs");
    }
}

#[tokio::test(start_paused = true)]
async fn message_that_arrives_in_pieces_is_taken() {
    let stage = Setup::new().start();
    let mut client = Client::open(&stage).await;
    let text = client.message("ping", json!({}));
    for piece in frame(true, OPCODE_TEXT, text.as_bytes()).chunks(40) {
        client.socket.get_mut().write_all(piece).await.unwrap();
        stage.clock.sleep(std::time::Duration::from_millis(500)).await;
    }
    assert_eq!(client.hear().await["type"], "pong");
    // Long after the last piece, and with nothing unfinished, the session goes on.
    stage.clock.sleep(std::time::Duration::from_secs(15)).await;
    client.ping().await;
    client.close().await;
}

#[tokio::test(start_paused = true)]
async fn session_without_open_ends_after_six_seconds_and_without_ping_after_twenty() {
    let stage = Setup::new().start();
    let mut silent = Client::connect(&stage).await;
    let began = Instant::now();
    assert_eq!(silent.hear().await["type"], "disconnect");
    assert!((6..8).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    let mut open = Client::open(&stage).await;
    let began = Instant::now();
    assert_eq!(open.hear().await["type"], "disconnect");
    assert!((19..22).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn second_socket_of_a_session_is_disconnected_and_the_first_keeps_it() {
    let stage = Setup::new().start();
    let session = Uuid::new_v4().to_string();
    let upgrade = || Upgrade::signed_in(stage.address, stage.clock.now(), &session);
    let mut first = upgrade().connect(stage.address).await;
    first.say_open(&Uuid::new_v4().to_string()).await;
    assert_eq!(first.hear().await["type"], "opened");
    let told = upgrade().connect(stage.address).await.leave_when_told().await;
    assert_eq!(told["parameters"]["info"], "duplicate", "{told}");
    first.ping().await;
    first.close().await;
    stage.emptied().await;
    let mut again = upgrade().connect(stage.address).await;
    again.say_open(&Uuid::new_v4().to_string()).await;
    assert_eq!(again.hear().await["type"], "opened", "once the first has left");
}
