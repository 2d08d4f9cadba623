//! The bare WebSocket sink: the same library as the door's, reads and drops.
//!
//! It answers WebSocket pings, as the library does by itself. Nothing of Sidetone is in it.

use std::net::{Ipv4Addr, SocketAddr};

use futures_util::StreamExt;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::accept_async_with_config;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::Failure;
use crate::server::{one_worker, serve_until_told};

/// The read buffer that the figures ask for.
const READ_BUFFER_BYTES: usize = 4_096;
/// The door's.
const MESSAGE_BYTES_MAX: usize = 65_536;
const BACKLOG: i32 = 4_096;

/// Serves until the input ends.
pub(crate) fn sink() -> Result<(), Failure> {
    one_worker()?.block_on(async {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let listener = TcpListener::from_std(socket.into())?;
        let address = listener.local_addr()?;
        tokio::spawn(accept(listener));
        serve_until_told(address, None).await
    })
}

async fn accept(listener: TcpListener) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(drop_all(stream));
        }
    }
}

async fn drop_all(stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    let Ok(mut socket) = accept_async_with_config(stream, Some(config)).await else { return };
    while let Some(Ok(_)) = socket.next().await {}
}
