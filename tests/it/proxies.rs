//! Calls through the proxies that customers run, configured as `docs/proxies.md` says and as they
//! come from the package.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use sidetone_audiohook_proto::{KeyId, Secret};
use sidetone_genesys_sim::Target;
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::why::becomes;
use crate::world::{
    LiveCall, ORGANIZATION, Process, Running, SimCaller, Site, ada, delivered, until,
};

const DOCUMENTATION: &str = include_str!("../../docs/proxies.md");

/// The address of the door in the documentation.
const DOCUMENTED_DOOR: &str = "127.0.0.1:8080";

/// Returns the configuration that the documentation shows for a proxy.
fn documented(language: &str, door: SocketAddr) -> String {
    let (_, rest) = DOCUMENTATION.split_once(&format!("```{language}\n")).expect("a configuration");
    let (text, _) = rest.split_once("```").expect("the end of the configuration");
    assert!(text.contains(DOCUMENTED_DOOR), "{text}");
    text.replace(DOCUMENTED_DOOR, &door.to_string())
}

/// Returns the configuration of nginx without the lines that begin with one of some words.
fn nginx_without(removed: &[&str], door: SocketAddr) -> String {
    let text = documented("nginx", door);
    let is_kept = |line: &&str| !removed.iter().any(|one| line.trim_start().starts_with(one));
    text.lines().filter(is_kept).map(|line| format!("{line}\n")).collect()
}

fn program(path: &str) -> Command {
    assert!(Path::new(path).is_file(), "{path} is missing: run tests/setup.sh, which installs it");
    Command::new(path)
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address")
}

/// A proxy in front of a door.
struct Proxy {
    _process: Process,
    address: SocketAddr,
}

impl Proxy {
    async fn nginx(site: &Site, location: &str) -> Self {
        let (address, directory) = (free_address(), site.path("nginx"));
        std::fs::create_dir_all(&directory).expect("writable");
        let at = directory.display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {at}/{kind};\n"))
            .concat();
        let text = format!(
            "daemon off;\nmaster_process off;\npid {at}/pid;\nerror_log stderr;\nevents {{}}\n\
             http {{\naccess_log off;\n{temporary}\
             server {{\nlisten {address};\n{location}\n}}\n}}\n"
        );
        let file = directory.join("nginx.conf");
        std::fs::write(&file, text).expect("writable");
        let mut command = program("/usr/sbin/nginx");
        command.args(["-e", "stderr", "-p"]).arg(&directory).arg("-c").arg(&file);
        Self::started(command, address).await
    }

    async fn caddy(site: &Site, block: &str) -> Self {
        let (address, file) = (free_address(), site.path("Caddyfile"));
        let block = block.replace("calls.example.com", &format!("http://{address}"));
        std::fs::write(&file, format!("{{\nadmin off\nauto_https off\n}}\n{block}"))
            .expect("writable");
        let mut command = program("/usr/bin/caddy");
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&file);
        command.env("HOME", site.path("caddy-home"));
        Self::started(command, address).await
    }

    async fn started(command: Command, address: SocketAddr) -> Self {
        let process = Process::start(command);
        until(&format!("the proxy listens at {address}"), || async {
            TcpStream::connect(address).await.ok()
        })
        .await;
        Self { _process: process, address }
    }

    /// Returns the door behind this proxy as the simulated Genesys knows it.
    fn target(&self, site: &Site) -> Target {
        let secret = Secret::from_base64(&site.credentials.secret).expect("base64");
        let key = KeyId::new(site.credentials.api_key.as_str());
        let url = format!("ws://{}/audiohook/ws", self.address);
        Target::new(&url, ORGANIZATION, key, Some(secret)).expect("the URL of a door")
    }
}

async fn assert_call_is_delivered(site: &Site, running: &Running, proxy: &Proxy) {
    let mut call = LiveCall::begin(site);
    let caller = SimCaller::call(site, proxy.target(site), call.id());
    running.session_is(caller.session, "paused").await;
    call.ring(ada());
    running.session_is(caller.session, "listening").await;
    call.answer(ada());
    delivered(site, caller.session, 3).await;
    call.hang_up();
    let report = caller.end().await;
    assert!(report.is_clean(), "{report:#?}");
}

/// Calls through a proxy that changes the request, and checks the log and `sidetone why`.
async fn assert_refusal_is_explained(
    site: &Site,
    running: &Running,
    proxy: &Proxy,
    (reason, setting): (&str, &str),
) {
    let mut call = LiveCall::begin(site);
    call.ring(ada());
    call.answer(ada());
    let caller = SimCaller::call(site, proxy.target(site), call.id());
    let line = running.process.logs(reason).await;
    assert!(line.contains("refused: ") && line.contains(setting), "{line}");
    until(&format!("{reason} is in `why` with {setting}"), || async {
        let answer = becomes(site, call.id(), "handshake-incomplete").await;
        let summary = answer["summary"].as_str().expect("a text");
        (summary.contains(reason) && summary.contains(setting)).then_some(())
    })
    .await;
    assert!(!caller.end().await.is_clean());
    call.hang_up();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_pass_documented_proxies() {
    let site = Site::new("").await;
    let running = site.run().await;
    let door = running.address;
    let nginx = Proxy::nginx(&site, &documented("nginx", door)).await;
    assert_call_is_delivered(&site, &running, &nginx).await;
    let caddy = Proxy::caddy(&site, &documented("caddy", door)).await;
    assert_call_is_delivered(&site, &running, &caddy).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proxy_without_upgrade_settings_is_named_in_log_and_why() {
    let site = Site::new("").await;
    let running = site.run().await;
    let door = running.address;
    let stock = format!("location / {{ proxy_pass http://{door}; }}");
    let old = nginx_without(&["proxy_http_version"], door);
    let close = nginx_without(&["proxy_set_header Connection"], door);
    let own_path = documented("nginx", door)
        .replace(&format!("http://{door};"), &format!("http://{door}/audiohook/ws/;"));
    for (location, expected) in [
        (stock, ("handshake-upgrade", "proxy_set_header Upgrade $http_upgrade;")),
        (old, ("handshake-http-version", "proxy_http_version 1.1;")),
        (close, ("handshake-connection", "proxy_set_header Connection \"upgrade\";")),
        (own_path, ("handshake-path", "give proxy_pass no path of its own")),
    ] {
        let nginx = Proxy::nginx(&site, &location).await;
        assert_refusal_is_explained(&site, &running, &nginx, expected).await;
    }
    let removing = documented("caddy", door)
        .replace(&door.to_string(), &format!("{door} {{\nheader_up -Sec-WebSocket-Key\n}}"));
    let caddy = Proxy::caddy(&site, &removing).await;
    let expected = ("handshake-websocket-key", "Sec-WebSocket headers unchanged");
    assert_refusal_is_explained(&site, &running, &caddy, expected).await;
    running.stop().await;
}
