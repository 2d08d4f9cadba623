//! From a target to a WebSocket, or to the reason why there is none.

use std::time::Duration;

use sidetone_audiohook_proto::{ClientConfig, ConnectFailure};
use sidetone_ports::Clock;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

use super::target::Target;

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// How long the connection may take, upgrade included.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Text from a server is short; thousands of clients share a process.
const READ_BUFFER_BYTES: usize = 4 * 1024;

/// Larger than any legal message, so that the session itself sees and reports an illegal one.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

pub(super) async fn connect(
    clock: &Clock,
    target: &Target,
    config: &ClientConfig,
    attempt: u32,
) -> Result<Socket, ConnectFailure> {
    let connecting = async {
        let stream = TcpStream::connect(target.address())
            .await
            .map_err(|_| ConnectFailure::HostUnavailable)?;
        // Without this a small text would wait for the answer to the frame before it.
        stream.set_nodelay(true).map_err(|_| ConnectFailure::Broken)?;
        if target.is_secure() {
            // Fails only if somebody installed a provider before, which then serves as well.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let request = target.request(clock.now(), config, attempt).ok_or(ConnectFailure::Broken)?;
        let limits = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        match client_async_tls_with_config(request, stream, Some(limits), None).await {
            Ok((socket, _)) => Ok(socket),
            Err(Error::Http(response)) => {
                Err(ConnectFailure::Refused { status: response.status().as_u16() })
            }
            Err(error) => {
                tracing::debug!(%error, "upgrade failed");
                Err(ConnectFailure::Broken)
            }
        }
    };
    clock.timeout(CONNECT_LIMIT, connecting).await.unwrap_or(Err(ConnectFailure::Timeout))
}
