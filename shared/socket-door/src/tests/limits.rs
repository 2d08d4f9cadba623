//! Too much of everything: connections, headers, sessions, silence.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::client::{Answer, Client, Upgrade};
use super::stage::{PATIENCE, Setup, Stage};

fn upgrade<R>(stage: &Stage<R>) -> Upgrade {
    Upgrade::signed(stage.address, stage.clock.now())
}

async fn ends(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let read = stream.read_to_end(&mut rest);
    // A reset is an end too.
    let _ = tokio::time::timeout(PATIENCE, read).await.expect("the door closes");
    rest
}

#[tokio::test(start_paused = true)]
async fn header_bombs_are_answered_431() {
    let stage = Setup::at_speed(20.0).start();
    let large = upgrade(&stage).with("X-Large", &"a".repeat(17 * 1_024));
    assert_eq!(large.send(stage.address).await.status, 431);
    let endless = upgrade(&stage).with("X-Large", &"a".repeat(1_000_000));
    assert_eq!(endless.send(stage.address).await.status, 431);
    let mut many = upgrade(&stage);
    (0..101).for_each(|n| many.headers.push((format!("X-{n}"), String::new())));
    assert_eq!(many.send(stage.address).await.status, 431);
    let line = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(70_000));
    let status = Answer::to(stage.address, line.as_bytes()).await.status;
    assert!([414, 431].contains(&status), "{status}");
    Client::open(&stage).await.close().await;
}

#[tokio::test(start_paused = true)]
async fn junk_and_smuggled_requests_get_nowhere() {
    let stage = Setup::at_speed(20.0).start();
    let valid = upgrade(&stage).head();
    let head = |extra: &str| {
        upgrade(&stage).head().replacen("\r\n", &format!("\r\n{extra}\r\n"), 1).into_bytes()
    };
    let junk: Vec<Vec<u8>> = vec![
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        b"GET /audiohook/ws\r\n\r\n".to_vec(),
        b"\0\0\0\0\0\0\0\0\r\n\r\n".to_vec(),
        valid.replacen("GET", "GET\0", 1).into_bytes(),
        head("Content-Length: 5\r\nTransfer-Encoding: chunked"),
        head("Content-Length: 5\r\nContent-Length: 6"),
        head("Transfer-Encoding : chunked"),
        head("X: y\n Y: z"),
        head("Host: evil.example.com"),
        b"CONNECT evil.example.com:443 HTTP/1.1\r\nHost: evil.example.com\r\n\r\n".to_vec(),
    ];
    for (place, junk) in junk.iter().enumerate() {
        let status = Answer::to(stage.address, junk).await.status;
        assert!([0, 400, 401, 404, 405, 505].contains(&status), "case {place}: {status}");
    }
    // The second request of one connection is not looked at.
    let two = format!("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n{valid}");
    let answer = Answer::to(stage.address, two.as_bytes()).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.ends_with(b"alive\n"));
    assert_eq!(stage.sessions(), 0);
    Client::open(&stage).await.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_half_open_connections_keep_nobody_out_and_are_closed() {
    let stage = Setup::at_speed(5.0).start();
    let half = join_all((0..1_000).map(async |n| {
        let mut stream = TcpStream::connect(stage.address).await.unwrap();
        if n % 2 == 0 {
            stream.write_all(b"GET /audiohook/ws HTTP/1.1\r\nHost:").await.unwrap();
        }
        stream
    }));
    let half = half.await;
    let started = Instant::now();
    Client::open(&stage).await.close().await;
    assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
    join_all(half.into_iter().map(async |mut stream| {
        let rest = ends(&mut stream).await;
        assert!(!rest.starts_with(b"HTTP/1.1 101"));
    }))
    .await;
    // One second of the world is the header's deadline of five.
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_head_that_trickles_in_is_cut_at_its_deadline() {
    let stage = Setup::at_speed(10.0).start();
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    let started = Instant::now();
    for byte in upgrade(&stage).head().bytes() {
        if stream.write_all(&[byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(started.elapsed() < Duration::from_secs(3), "nobody cut it");
    }
    assert!(!ends(&mut stream).await.starts_with(b"HTTP/1.1 101"));
}

#[tokio::test(start_paused = true)]
async fn silent_connections_make_room_for_those_that_call() {
    let mut setup = Setup::new();
    setup.door.limits.handshakes_max = 3;
    let stage = setup.start();
    let mut waiting = Vec::new();
    for _ in 0..4 {
        waiting.push(TcpStream::connect(stage.address).await.unwrap());
    }
    // The door accepts in the order of connecting, so the first has been silent longest.
    assert!(ends(&mut waiting[0]).await.is_empty());
    for _ in 0..4 {
        Client::open(&stage).await.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn c96_beyond_the_limit_the_client_is_told_to_try_again() {
    let mut setup = Setup::new();
    setup.door.limits.sessions_max = 2;
    let stage = setup.start();
    let first = Client::open(&stage).await;
    let second = Client::open(&stage).await;
    let told = Client::connect(&stage).await.leave_when_told().await;
    assert_eq!(told["parameters"]["reason"], "error", "{told}");
    assert_eq!(told["parameters"]["info"], "capacity");
    assert_eq!((&told["seq"], &told["clientseq"]), (&1.into(), &0.into()));
    first.close().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    Client::open(&stage).await.close().await;
    second.close().await;
    let wrong = upgrade(&stage).with("Signature", "sig1=:AAAA:");
    assert_eq!(wrong.send(stage.address).await.status, 401, "full or not");
}

#[tokio::test(start_paused = true)]
async fn turning_away_has_a_limit_too() {
    let mut setup = Setup::new();
    setup.door.limits.sessions_max = 0;
    setup.door.limits.turnaways_max = 1;
    let stage = setup.start();
    let leaving = Client::connect(&stage).await;
    let answer = upgrade(&stage).send(stage.address).await;
    assert_eq!(answer.status, 503);
    assert!(answer.head.contains("retry-after: 1"), "{}", answer.head);
    leaving.leave_when_told().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    Client::connect(&stage).await.leave_when_told().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_four_hundred_connections_is_let_in() {
    let stage = Setup::new().start();
    let clients = join_all((0..400).map(|_| Client::open(&stage))).await;
    assert_eq!(stage.sessions(), 400);
    join_all(clients.into_iter().map(Client::close)).await;
    stage.emptied().await;
}
