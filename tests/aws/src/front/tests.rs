//! The front before an API that echoes text.

use std::net::Ipv4Addr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};

use super::*;

type Client = WebSocketStream<tokio_tungstenite::MaybeTlsStream<TcpStream>>;

/// Hours of the clock pass in moments of the world.
const SPEED: f64 = 3_600.0;

/// An API that says back what it is told, and refuses whoever says so.
async fn echo() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    #[expect(clippy::result_large_err, reason = "the library's own type")]
    let decide = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        if request.headers().contains_key("x-refuse") {
            let mut refusal = ErrorResponse::new(None);
            *refusal.status_mut() = http::StatusCode::FORBIDDEN;
            return Err(refusal);
        }
        Ok(response)
    };
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, decide).await
                else {
                    return;
                };
                while let Some(Ok(message)) = socket.next().await {
                    if message.is_ping() {
                        panic!("a ping got through");
                    }
                    if message.is_text() {
                        socket.send(message).await.unwrap();
                    }
                }
            });
        }
    });
    format!("ws://{address}/api")
}

async fn front(clock: Clock, ask: Option<AskConnect>) -> Front {
    let config = FrontConfig {
        clock,
        bind: (Ipv4Addr::LOCALHOST, 0).into(),
        path: "/prod".to_owned(),
        limits: Limits::AWS,
    };
    let front = Front::bind(config).await.unwrap();
    front.leads_to(Api { url: echo().await, trust: Trust::nobody(), ask });
    front
}

async fn client(front: &Front) -> Client {
    connect_async(front.url()).await.expect("the front lets in").0
}

/// Reads until the connection is closed, and returns the code.
async fn close_code(client: &mut Client) -> Option<CloseCode> {
    let reading = async {
        while let Some(message) = client.next().await {
            if let Ok(Message::Close(frame)) = message {
                return frame.map(|frame| frame.code);
            }
        }
        None
    };
    tokio::time::timeout(Duration::from_secs(20), reading).await.expect("it is closed")
}

async fn echoes(client: &mut Client, text: &str) {
    client.send(Message::text(text)).await.unwrap();
    let heard = client.next().await.expect("an answer").expect("no error");
    assert_eq!(heard, Message::text(text));
}

#[tokio::test]
async fn text_passes_both_ways() {
    let front = front(Clock::system(), None).await;
    let mut client = client(&front).await;
    echoes(&mut client, "hello").await;
    echoes(&mut client, &"x".repeat(32 * 1024)).await;
}

#[tokio::test]
async fn a_binary_frame_closes_with_1003() {
    let front = front(Clock::system(), None).await;
    let mut client = client(&front).await;
    client.send(Message::binary(vec![0; 1600])).await.unwrap();
    assert_eq!(close_code(&mut client).await, Some(CloseCode::Unsupported));
}

#[tokio::test]
async fn a_frame_over_32_kb_closes_with_1009() {
    let front = front(Clock::system(), None).await;
    let mut client = client(&front).await;
    client.send(Message::text("x".repeat(32 * 1024 + 1))).await.unwrap();
    assert_eq!(close_code(&mut client).await, Some(CloseCode::Size));
}

#[tokio::test]
async fn a_message_over_128_kb_closes_with_1009() {
    let front = front(Clock::system(), None).await;
    let mut client = client(&front).await;
    for part in 0..5 {
        let opcode = OpCode::Data(if part == 0 { Data::Text } else { Data::Continue });
        let frame = Frame::message(vec![b'x'; 32 * 1024], opcode, part == 4);
        // The front may have closed before the last one.
        let _ = client.send(Message::Frame(frame)).await;
    }
    assert_eq!(close_code(&mut client).await, Some(CloseCode::Size));
}

#[tokio::test]
async fn ten_silent_minutes_close_it_although_it_pings() {
    let clock = Clock::scaled(SPEED);
    let front = front(clock, None).await;
    let mut client = client(&front).await;
    let begun_at = clock.now();
    echoes(&mut client, "hello").await;
    client.send(Message::Ping("p".into())).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), Message::Pong("p".into()));
    assert_eq!(close_code(&mut client).await, Some(CloseCode::Away));
    let lasted = clock.now().since(begun_at);
    assert!(lasted >= Limits::AWS.idle && lasted < Limits::AWS.life, "{lasted:?}");
}

#[tokio::test]
async fn two_hours_are_the_longest_life() {
    let clock = Clock::scaled(SPEED);
    let front = front(clock, None).await;
    let mut client = client(&front).await;
    let begun_at = clock.now();
    let code = loop {
        if client.send(Message::text("still here")).await.is_err() {
            break None;
        }
        match client.next().await {
            Some(Ok(Message::Close(frame))) => break frame.map(|frame| frame.code),
            Some(Ok(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
            Some(Err(_)) | None => break None,
        }
    };
    assert_eq!(code, Some(CloseCode::Away));
    assert!(clock.now().since(begun_at) >= Limits::AWS.life);
}

/// Tries to connect as somebody whom the API refuses.
async fn refused_status(front: &Front) -> u16 {
    use tokio_tungstenite::tungstenite::client::IntoClientRequest;
    let mut request = front.url().into_client_request().unwrap();
    request.headers_mut().insert("x-refuse", "yes".parse().unwrap());
    match connect_async(request).await {
        Err(Error::Http(response)) => response.status().as_u16(),
        other => panic!("let in: {other:?}"),
    }
}

#[tokio::test]
async fn a_refusal_has_the_status_of_the_function() {
    let ask: AskConnect = Arc::new(|event| {
        let seen = event["headers"].as_object().is_some_and(|all| all.contains_key("x-refuse"));
        assert_eq!(event["requestContext"]["routeKey"], json!("$connect"));
        Box::pin(async move { seen.then_some(401) })
    });
    assert_eq!(refused_status(&front(Clock::system(), Some(ask)).await).await, 401);
    assert_eq!(refused_status(&front(Clock::system(), None).await).await, 403);
    let fickle: AskConnect = Arc::new(|_| Box::pin(async { Some(200) }));
    assert_eq!(refused_status(&front(Clock::system(), Some(fickle)).await).await, 503);
}

#[tokio::test]
async fn other_paths_lead_nowhere() {
    let front = front(Clock::system(), None).await;
    let elsewhere = front.url().replace("/prod", "/dev");
    match connect_async(elsewhere).await {
        Err(Error::Http(response)) => assert_eq!(response.status().as_u16(), 403),
        other => panic!("let in: {other:?}"),
    }
}
