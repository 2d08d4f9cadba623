//! The strict front: what API Gateway does to a WebSocket and the local AWS does not.
//!
//! A binary frame is closed with 1003, a frame over 32 KB or a message over 128 KB with 1009,
//! ten minutes of silence and two hours of life with 1001. Pings are answered here and go no
//! further. A refused handshake has the status that the function chose.

mod event;
mod handshake;
mod limits;
mod relay;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use serde_json::Value;
use sidetone_ports::Clock;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, connect_async_tls_with_config};
use tokio_util::sync::CancellationToken;

pub use self::limits::Limits;

use crate::certificates::Trust;

use self::event::connect_event;
use self::handshake::{Upgrade, refuse};
use self::relay::Relay;

/// What an API that is not there, or not yet, answers.
const UNAVAILABLE: u16 = 503;

/// What API Gateway answers on a path without an API.
const FORBIDDEN: u16 = 403;

/// Asks the `$connect` function for its status, with an event as API Gateway writes it.
pub type AskConnect =
    Arc<dyn Fn(Value) -> Pin<Box<dyn Future<Output = Option<u16>> + Send>> + Send + Sync>;

/// The API behind the front.
#[derive(Clone)]
pub struct Api {
    /// Its WebSocket URL on the local AWS.
    pub url: String,
    /// Who vouches for it.
    pub trust: Trust,
    /// Who knows with which status a handshake is refused: the local AWS always says 403. It is
    /// asked after a refusal, so the function sees a refused handshake twice.
    pub ask: Option<AskConnect>,
}

/// What a front is made of.
#[derive(Debug, Clone)]
pub struct FrontConfig {
    /// The clock of idle time and life.
    pub clock: Clock,
    /// Where it listens.
    pub bind: SocketAddr,
    /// The one path that leads to the API.
    pub path: String,
    /// What it lets through.
    pub limits: Limits,
}

/// A listening front; it stops when it is dropped.
pub struct Front {
    address: SocketAddr,
    path: String,
    api: Arc<OnceLock<Api>>,
    stop: CancellationToken,
}

impl Front {
    /// Starts to listen. Until [`Front::leads_to`] every handshake is refused.
    ///
    /// Errors: nobody may listen there.
    pub async fn bind(config: FrontConfig) -> io::Result<Self> {
        let listener = TcpListener::bind(config.bind).await?;
        let address = listener.local_addr()?;
        let (api, stop) = (Arc::new(OnceLock::new()), CancellationToken::new());
        let path = config.path.clone();
        let serving = serve(listener, config, Arc::clone(&api), stop.clone());
        tokio::spawn(stop.clone().run_until_cancelled_owned(serving));
        Ok(Self { address, path, api, stop })
    }

    /// Opens the way to an API; the first one stays.
    pub fn leads_to(&self, api: Api) {
        let _ = self.api.set(api);
    }

    /// Returns the URL that clients use, and sign.
    pub fn url(&self) -> String {
        format!("ws://{}{}", self.address, self.path)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn serve(
    listener: TcpListener,
    config: FrontConfig,
    api: Arc<OnceLock<Api>>,
    stop: CancellationToken,
) {
    loop {
        // Out of descriptors at worst, which passes.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let connection = connection(stream, config.clone(), Arc::clone(&api));
        tokio::spawn(stop.clone().run_until_cancelled_owned(async {
            // A client that leaves during its handshake is nobody's fault.
            let _ = connection.await;
        }));
    }
}

async fn connection(
    mut stream: TcpStream,
    config: FrontConfig,
    api: Arc<OnceLock<Api>>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let Some(upgrade) = Upgrade::read(&mut stream).await? else {
        return refuse(&mut stream, FORBIDDEN).await;
    };
    if upgrade.path() != config.path {
        return refuse(&mut stream, FORBIDDEN).await;
    }
    let Some(api) = api.get() else { return refuse(&mut stream, UNAVAILABLE).await };
    let Some(request) = upgrade.forwarded_to(&api.url) else {
        return refuse(&mut stream, FORBIDDEN).await;
    };
    let connector = Some(api.trust.connector());
    let behind = match connect_async_tls_with_config(request, None, true, connector).await {
        Ok((behind, _)) => behind,
        Err(Error::Http(response)) => {
            let status = response.status().as_u16();
            return refuse(&mut stream, refusal(api, &upgrade, &config.clock, status).await).await;
        }
        Err(_) => return refuse(&mut stream, UNAVAILABLE).await,
    };
    upgrade.accept(&mut stream).await?;
    let limits = config.limits;
    let sizes = WebSocketConfig::default()
        .max_frame_size(Some(limits.frame_bytes))
        .max_message_size(Some(limits.message_bytes));
    let client = WebSocketStream::from_raw_socket(stream, Role::Server, Some(sizes)).await;
    Relay { clock: config.clock, limits, client, api: behind }.run().await;
    Ok(())
}

/// Returns the status with which API Gateway would refuse.
async fn refusal(api: &Api, upgrade: &Upgrade, clock: &Clock, status: u16) -> u16 {
    let Some(ask) = &api.ask else { return status };
    match ask(connect_event(upgrade, clock.now())).await {
        Some(chosen) if !(200..300).contains(&chosen) => chosen,
        // It changed its mind, so whatever refused before was no decision.
        Some(_) => UNAVAILABLE,
        None => status,
    }
}

#[cfg(test)]
mod tests;
