//! Deadlines and limits of a served router, seen from its sockets.

use std::future::Future;

use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::guard::GuardLimits;
use crate::source::SourceRules;

/// How long a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(20);

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("no end: {what}"))
}

async fn start(connections_per_source_max: usize, delay_first: Duration) -> SocketAddr {
    let router = Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/denied", get(|| async { StatusCode::UNAUTHORIZED }))
        .route("/body", post(|body: Bytes| async move { body.len().to_string() }));
    let guard = Guard::new(GuardLimits {
        listener: "test",
        connections_max: 64,
        connections_per_source_max,
        sources: SourceRules::default(),
        failures_free: 1,
        delay_first,
        delay_longest: Duration::from_secs(3_600),
    });
    let limits = ServeLimits {
        header_within: Duration::from_millis(300),
        body_within: Duration::from_millis(300),
        connection_within: Duration::from_secs(60),
        head_bytes_max: 8_192,
        headers_max: 100,
        refusals_max: 2,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, router, guard, limits, CancellationToken::new()));
    address
}

/// Sends some bytes and reads what comes until the server closes.
async fn exchange(address: SocketAddr, sent: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may have closed already.
    let _ = stream.write_all(sent.as_bytes()).await;
    let mut read = Vec::new();
    // A reset is an end too.
    let _ = within(sent, stream.read_to_end(&mut read)).await;
    String::from_utf8(read).unwrap()
}

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
}

#[tokio::test]
async fn silent_connection_is_closed_before_during_and_after_a_request() {
    let address = start(64, Duration::ZERO).await;
    assert_eq!(exchange(address, "").await, "");
    assert!(!exchange(address, "GET / HTTP/1.1\r\nHost").await.contains("200"));
    let kept = exchange(address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(kept.ends_with("hello"), "an idle connection is closed after its answer: {kept}");
}

#[tokio::test]
async fn body_that_never_ends_is_refused() {
    let address = start(64, Duration::ZERO).await;
    let head = "POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n";
    let answer = exchange(address, &format!("{head}12345")).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let answer = exchange(address, &format!("{head}1234567890")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn requests_get_through_beside_silent_connections_of_the_same_source() {
    let address = start(4, Duration::ZERO).await;
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(TcpStream::connect(address).await.unwrap());
        assert!(exchange(address, &request("/")).await.ends_with("hello"));
    }
}

#[tokio::test]
async fn refusals_of_one_source_are_held_back_and_only_a_few_wait() {
    let address = start(64, Duration::from_secs(3_600)).await;
    let first = exchange(address, &request("/denied")).await;
    assert!(first.starts_with("HTTP/1.1 401"), "{first}");
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request("/denied").as_bytes()).await.unwrap();
        waiting.push(stream);
    }
    let mut ends = tokio::task::JoinSet::new();
    for mut stream in waiting {
        ends.spawn(async move { stream.read_to_end(&mut Vec::new()).await });
    }
    within("one too many is closed", ends.join_next()).await;
    let well = exchange(address, &request("/")).await;
    assert!(well.ends_with("hello"), "correct requests are not delayed: {well}");
    assert_eq!(ends.len(), 2, "the others still wait");
}
