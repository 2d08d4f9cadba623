//! The door under test: store and stream on disk, every frame delivered, one worker.

use std::path::Path;
use std::time::Duration;

use sidetone_driver::{EngineConfig, Host, HostConfig};
use sidetone_model::{Listen, OwnerId};
use sidetone_ports::{Clock, RecordSink, StoredKey};
use sidetone_ports_aws::Aws;
use sidetone_ports_embedded::{MemoryKeys, NullStream, Store, Stream};
use sidetone_socket_door::{Door, DoorConfig, DoorLimits, Stop};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::Failure;
use crate::args::StreamKind;
use crate::recorder::Book;
use crate::server::{one_worker, serve_until_told};

/// The key that the load signs with.
pub(crate) const KEY_ID: &str = "bench-key";
/// Its secret; good for nothing but this.
pub(crate) const SECRET: &str = "YmVuY2gtc2VjcmV0LW9mLTMyLWJ5dGVzLWluLWFsbCE=";
/// The tenant of every session.
pub(crate) const ORGANIZATION: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";
/// Where the door's WebSocket is.
pub(crate) const PATH: &str = "/audiohook/ws";

/// Serves until the input ends.
pub(crate) fn serve(stream: StreamKind, data: &Path) -> Result<(), Failure> {
    let book = Book::default();
    metrics::set_global_recorder(book.clone()).map_err(|error| error.to_string())?;
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("warn"))
        .with_writer(std::io::stderr)
        .init();
    one_worker()?.block_on(async {
        let clock = Clock::system();
        let store = Store::open(&data.join("store.db"))?;
        match stream {
            StreamKind::Null => open(clock, store, NullStream::new(), book).await,
            StreamKind::Embedded => {
                let stream = Stream::open(&data.join("stream.db"), clock)?;
                open(clock, store, stream, book).await
            }
            StreamKind::Kinesis => {
                open(clock, store, Aws::connect().await?.sink("bench"), book).await
            }
        }
    })
}

async fn open<R: RecordSink>(
    clock: Clock,
    store: Store,
    sink: R,
    book: Book,
) -> Result<(), Failure> {
    let config = HostConfig {
        engine: EngineConfig { listen: Listen::Always, ..EngineConfig::default() },
        ..HostConfig::default()
    };
    let host = Host::new(clock, config, OwnerId::new("bench"), store, sink);
    let keys = MemoryKeys::new([StoredKey {
        key_id: KEY_ID.to_owned(),
        secrets: vec![SECRET.to_owned()],
        organizations: vec![ORGANIZATION.parse()?],
        api_key_only: false,
    }]);
    let config = DoorConfig {
        path: PATH.to_owned(),
        // The ramp finds the limit.
        limits: DoorLimits { sessions_max: 100_000, ..DoorLimits::default() },
        ..DoorConfig::default()
    };
    let door = Door::bind(config, host.clone(), keys, Vec::new())?;
    let address = door.local_addr();
    let stop = Stop::new();
    tokio::spawn(async move { host.run(CancellationToken::new()).await });
    // On the worker, as everything else: the thread that waits below has nothing to do.
    tokio::spawn(async move { door.serve(stop).await });
    serve_until_told(address, Some(book)).await?;
    // Sessions that still run are of no interest; the process ends with them.
    tokio::time::sleep(Duration::ZERO).await;
    Ok(())
}
