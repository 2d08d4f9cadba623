//! Crowds of connections that prove nothing: calls beside them are delivered and recorded.

use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::Command;

use crate::world::{Neighbour, PATIENCE, Process, Running, Site, Upgrade, ada, bo};

/// What the process may open; the whole system needs about fifty files beside its sockets.
const OPEN_FILES: &str = "300";

/// Silent sockets of each of two addresses, on each listener.
const SILENT: usize = 150;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Starts `sidetone run` with few descriptors, an API and a token for it.
async fn run_with_few_files(site: &Site) -> (Running, SocketAddr) {
    let token = site.path("token");
    std::fs::write(&token, TOKEN).expect("writable");
    let config = std::fs::read_to_string(site.config()).expect("readable");
    let api = format!(
        "[api]\nlisten = \"127.0.0.1:0\"\n[[api.tokens]]\nname = \"test\"\noperator = true\n\
         token_file = {token:?}\n"
    );
    std::fs::write(site.config(), format!("{config}{api}")).expect("writable");
    let config = site.config().display().to_string();
    let run = Process::command(["run", "--json", "--config", &config]);
    let mut limited = Command::new("prlimit");
    limited.arg(format!("--nofile={OPEN_FILES}:{OPEN_FILES}"));
    limited.arg(run.as_std().get_program()).args(run.as_std().get_args());
    let running = Site::listening(Process::start(limited)).await;
    let noted = running
        .process
        .told("where the API listens", |told| {
            told["text"].as_str().is_some_and(|text| text.starts_with("users API at"))
        })
        .await;
    let text = noted["text"].as_str().expect("a text").to_owned();
    let (_, rest) = text.split_once("//").expect("a URL");
    let (api, _) = rest.split_once('/').expect("with a path");
    (running, api.parse().expect("loopback and a port"))
}

/// Connects from another address of this machine.
async fn connect_from(source: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::new(IpAddr::from(source), 0)).expect("loopback is a whole network");
    socket.connect(to).await.expect("the listener accepts")
}

async fn crowd(source: [u8; 4], to: SocketAddr, count: usize) -> Vec<TcpStream> {
    let mut crowd = Vec::new();
    for number in 0..count {
        let mut stream = connect_from(source, to).await;
        if number % 2 == 0 {
            // Whoever was closed in favour of another cannot be written to.
            let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHo").await;
        }
        crowd.push(stream);
    }
    crowd
}

/// Sends a request and reads the answer to its end.
async fn ask(api: SocketAddr, more: &str) -> String {
    let mut stream = TcpStream::connect(api).await.expect("the listener accepts");
    let mut answer = Vec::new();
    let path = "/v1/organizations";
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}Connection: close\r\n\r\n");
    let exchange = async {
        // A reset is an end too: the connection was closed in favour of another.
        let _ = stream.write_all(head.as_bytes()).await;
        let _ = stream.read_to_end(&mut answer).await;
    };
    tokio::time::timeout(PATIENCE, exchange).await.expect("the listener answers or closes");
    String::from_utf8(answer).expect("text")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_sockets_on_every_listener_leave_calls_and_recordings_unharmed() {
    let site = Site::new("").await;
    let (running, api) = run_with_few_files(&site).await;
    let before = Neighbour::begin(&site, &running, ada()).await;
    let mut crowds = Vec::new();
    for listener in [running.address, api] {
        // From the address of the calls, and from another one.
        crowds.push(crowd([127, 0, 0, 1], listener, SILENT).await);
        crowds.push(crowd([127, 0, 0, 2], listener, SILENT).await);
    }
    let during = Neighbour::begin(&site, &running, bo()).await;
    let authorization = format!("Authorization: Bearer {TOKEN}\r\n");
    assert!(ask(api, &authorization).await.starts_with("HTTP/1.1 200"), "the API answers too");
    during.takes_no_harm(&site, &running).await;
    before.takes_no_harm(&site, &running).await;
    running.process.logs("connection limit reached").await;
    drop(crowds);
    let finished = running.stop().await;
    let lines = finished.stderr.lines().filter(|line| line.contains("connection limit reached"));
    assert!(lines.count() <= 100, "lines are sampled: {}", finished.stderr);
    assert!(!finished.stderr.contains("connection not accepted"), "{}", finished.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_handshakes_and_tokens_are_sampled_in_the_log_and_delay_only_themselves() {
    let site = Site::new("").await;
    let (running, api) = run_with_few_files(&site).await;
    let refused = (0..200).map(async |_| {
        let upgrade = Upgrade::signed(&site, &running).without("signature");
        // Above the limit of those that wait, connections are closed without an answer.
        let status = upgrade.send().await.status;
        assert!([0, 401].contains(&status), "{status}");
    });
    futures_util::future::join_all(refused).await;
    let guessed = (0..40).map(async |number| {
        let answer = ask(api, &format!("Authorization: Bearer guess-{number}\r\n")).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 401"), "{answer}");
    });
    futures_util::future::join_all(guessed).await;
    let neighbour = Neighbour::begin(&site, &running, ada()).await;
    let authorization = format!("Authorization: Bearer {TOKEN}\r\n");
    assert!(ask(api, &authorization).await.starts_with("HTTP/1.1 200"), "a good token gets in");
    neighbour.takes_no_harm(&site, &running).await;
    running.process.logs("similar log lines withheld").await;
    let stderr = running.stop().await.stderr;
    let handshakes = stderr.lines().filter(|line| line.contains("refusal=")).count();
    assert!((1..100).contains(&handshakes), "{handshakes} lines for 200 handshakes: {stderr}");
    assert!(stderr.contains("request with wrong credentials refused"), "{stderr}");
}
