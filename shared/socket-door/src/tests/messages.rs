//! Messages as WebSocket allows them, and as it does not.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use sidetone_delivery_wire::Body;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use uuid::Uuid;

use super::client::{
    Client, OPCODE_BINARY, OPCODE_CONTINUE, OPCODE_TEXT, Upgrade, frame, header, open_text,
};
use super::stage::{ORGANIZATION, PATIENCE, Setup};

#[tokio::test(start_paused = true)]
async fn c42_messages_of_64_000_bytes_are_taken_and_larger_ones_refused_unread() {
    let stage = Setup::new().start();
    let mut client = Client::connect(&stage).await;
    let mut open = client.open_message(&Uuid::new_v4().to_string(), ORGANIZATION);
    let filler = "x".repeat(64_000 - open.len());
    open = open.replace("en-US", &format!("en-US{filler}"));
    assert_eq!(open.len(), 64_000);
    client.send_text(open).await;
    assert_eq!(client.hear().await["type"], "opened");
    client.send_audio(vec![1; 64_000]).await;
    client.send_audio(vec![2; 65_536]).await;
    client.ping().await;
    // The header alone: nothing of the message follows, so nothing of it was waited for.
    let stream = client.socket.get_mut();
    stream.write_all(&header(true, OPCODE_BINARY, 65_537)).await.unwrap();
    let told = client.hear().await;
    assert_eq!(told["parameters"]["reason"], "error");
    assert_eq!(told["parameters"]["info"], "Client Error: Message too large");
    assert_eq!(client.close_code().await, Some(CloseCode::Size));
    drop(client);
    let audio = stage.audio_after(1).await;
    assert_eq!(audio.iter().map(|audio| audio.data.len()).sum::<usize>(), 129_536);
    stage.emptied().await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_ends_the_session_with_a_word() {
    let stage = Setup::new().start();
    let too_large: Vec<u8> =
        [frame(false, OPCODE_BINARY, &[0; 60_000]), frame(true, OPCODE_CONTINUE, &[0; 6_000])]
            .concat();
    let cases: Vec<(Vec<u8>, CloseCode)> = vec![
        (too_large, CloseCode::Size),
        (header(true, OPCODE_TEXT, u64::MAX >> 1), CloseCode::Size),
        (frame(true, OPCODE_TEXT, b"\xff\xfe"), CloseCode::Invalid),
        (frame(true, 0x3, b"reserved"), CloseCode::Protocol),
        (frame(true, OPCODE_CONTINUE, b"of nothing"), CloseCode::Protocol),
        (vec![0x82, 0x02, 1, 2], CloseCode::Protocol),
        (frame(true, 0x9, &[0; 126]), CloseCode::Protocol),
        (vec![0xC2, 0x80, 0, 0, 0, 0], CloseCode::Protocol),
    ];
    let count = cases.len();
    let mut other = Client::open(&stage).await;
    for (place, (bytes, code)) in cases.into_iter().enumerate() {
        let mut client = Client::open(&stage).await;
        client.socket.get_mut().write_all(&bytes).await.unwrap();
        let told = client.hear().await;
        assert_eq!(told["type"], "disconnect", "case {place}: {told}");
        assert_eq!(told["parameters"]["reason"], "error", "case {place}");
        assert_eq!(client.close_code().await, Some(code), "case {place}");
    }
    other.ping().await;
    other.close().await;
    stage.audio_after(count + 1).await;
    stage.emptied().await;
}

#[tokio::test(start_paused = true)]
async fn broken_protocol_gets_disconnect_and_closed() {
    let stage = Setup::new().start();
    let mut other = Client::open(&stage).await;
    let cases: Vec<fn(&mut Client) -> Message> = vec![
        |_| Message::text("{not json"),
        |_| Message::text("[]"),
        |client| {
            client.seq += 1;
            Message::text(client.message("ping", json!({})))
        },
        |client| {
            let text = client.message("ping", json!({}));
            Message::text(text.replace(&client.session, &Uuid::new_v4().to_string()))
        },
        |client| {
            client.serverseq += 7;
            let text = client.message("ping", json!({}));
            client.serverseq -= 7;
            Message::text(text)
        },
        |_| Message::binary(vec![0; 3_201]),
    ];
    for (place, spoil) in cases.into_iter().enumerate() {
        let mut client = Client::open(&stage).await;
        let message = spoil(&mut client);
        client.socket.send(message).await.unwrap();
        let told = client.leave_when_told().await;
        assert_eq!(told["parameters"]["reason"], "error", "case {place}: {told}");
    }
    other.ping().await;
    other.close().await;
}

#[tokio::test(start_paused = true)]
async fn fragments_are_put_together_and_pings_between_them_answered() {
    let stage = Setup::new().start();
    let mut client = Client::open(&stage).await;
    let ping = client.message("ping", json!({}));
    let (first, second) = ping.as_bytes().split_at(40);
    let bytes = [
        frame(false, OPCODE_BINARY, &[3; 1_000]),
        frame(true, 0x9, b"are you there"),
        frame(false, OPCODE_CONTINUE, &[3; 599]),
        frame(true, OPCODE_CONTINUE, &[3; 1]),
        frame(false, OPCODE_TEXT, first),
        frame(true, OPCODE_CONTINUE, second),
    ]
    .concat();
    client.socket.get_mut().write_all(&bytes).await.unwrap();
    let pong = tokio::time::timeout(PATIENCE, client.socket.next()).await.unwrap();
    assert_eq!(pong.unwrap().unwrap(), Message::Pong("are you there".into()));
    assert_eq!(client.hear().await["type"], "pong");
    client.close().await;
    let audio = stage.audio_after(1).await;
    assert_eq!(audio.len(), 1);
    assert_eq!(audio[0].data.len(), 1_600);
}

#[tokio::test(start_paused = true)]
async fn text_split_over_segments_is_one_message() {
    let stage = Setup::new().start();
    let mut client = Client::connect(&stage).await;
    let open = client.open_message(&Uuid::new_v4().to_string(), ORGANIZATION);
    let bytes = frame(true, OPCODE_TEXT, open.as_bytes());
    let stream = client.socket.get_mut();
    stream.set_nodelay(true).unwrap();
    for (place, byte) in bytes.iter().enumerate() {
        stream.write_all(&[*byte]).await.unwrap();
        if place < 20 || place % 64 == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    assert_eq!(client.hear().await["type"], "opened");
    client.close().await;
}

#[tokio::test(start_paused = true)]
async fn messages_right_behind_the_request_are_not_lost() {
    let stage = Setup::new().start();
    let upgrade = Upgrade::signed(stage.address, stage.clock.now());
    let open = open_text(&upgrade.session, 1, &Uuid::new_v4().to_string(), ORGANIZATION);
    let early = frame(true, OPCODE_TEXT, open.as_bytes());
    let stream = TcpStream::connect(stage.address).await.unwrap();
    let mut client = upgrade.connect_with(stream, &early).await;
    client.seq = 1;
    assert_eq!(client.hear().await["type"], "opened");
    client.close().await;
}

#[tokio::test(start_paused = true)]
async fn s70_the_probe_leaves_nothing_behind() {
    let stage = Setup::new().start();
    let mut client = Client::connect(&stage).await;
    client.say_open("00000000-0000-0000-0000-000000000000").await;
    let opened = client.hear().await;
    assert_eq!(opened["parameters"]["startPaused"], false);
    client.send_audio(Vec::new()).await;
    client.close().await;
    stage.emptied().await;
    assert!(stage.records().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn empty_and_tiny_frames_are_taken() {
    let stage = Setup::new().start();
    let mut client = Client::open(&stage).await;
    client.send_audio(Vec::new()).await;
    for _ in 0..50 {
        client.send_audio(vec![9; 2]).await;
    }
    client.send_audio(Vec::new()).await;
    client.ping().await;
    client.close().await;
    let audio = stage.audio_after(1).await;
    assert_eq!(audio.len(), 50);
    let records = stage.records().await;
    assert!(!records.iter().any(|record| matches!(record.body, Some(Body::Gap(_)))));
}
