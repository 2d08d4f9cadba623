//! The door from its first connection to AWS to its last record.

use std::time::Duration;

use sidetone_driver::Host;
use sidetone_lambda_start::Metrics;
use sidetone_model::OwnerId;
use sidetone_ports::{
    CallStore, Clock, Mailbox, NonceStore, OrganizationStore, OwnerStore, RecordSink, SecretSource,
    chain,
};
use sidetone_ports_aws::{Aws, ConnectError};
use sidetone_socket_door::{Door, DoorConfig, DoorError, ReadinessCheck, Stop};
use sidetone_tracking::{StoredTenants, TenantTurns, Tenants, follow_genesys_time};
use tokio_util::sync::CancellationToken;

use crate::ecs::Task;
use crate::protection;
use crate::settings::Settings;
use crate::signals::Signals;

/// How often metrics are written.
const METRICS_EVERY: Duration = Duration::from_secs(30);

/// How often the organizations' settings are read: what is set takes effect within a minute.
const ORGANIZATIONS_EVERY: Duration = Duration::from_secs(30);

/// How long signing off and giving protection back may take; both lapse otherwise.
const LEAVE_MAX: Duration = Duration::from_secs(5);

/// How long before a host that broke off begins again.
const HOST_PAUSE: Duration = Duration::from_secs(1);

/// A key that nobody has, to see whether keys can be read.
const NO_KEY: &str = "readiness";

/// Why the door does not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// AWS cannot be used.
    #[error("AWS cannot be reached")]
    Aws(#[from] ConnectError),
    /// The port cannot be had.
    #[error("the door cannot open")]
    Door(#[from] DoorError),
    /// Signals cannot be taken over.
    #[error("signals cannot be taken over")]
    Signals(#[from] std::io::Error),
}

/// Runs the door on AWS until a signal ends it.
pub(crate) async fn run(settings: Settings, metrics: &Metrics) -> Result<(), RunError> {
    let signals = Signals::new()?;
    let task = Task::from_environment();
    let owner = owner(&task).await;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), owner = owner.as_str(), "starting");
    let aws = Aws::connect().await?;
    let store = aws.store(settings.tables.clone());
    let keys = aws.keys(&settings.keys_secret);
    let sink = aws.sink(&settings.stream);
    let (clock, stop) = (Clock::system(), Stop::new());
    let stop_turns = CancellationToken::new();
    let turns = settings.tracker.as_ref().map(|tracker| {
        let source = StoredTenants {
            store: store.clone(),
            clients: aws.genesys_secret(&tracker.secret),
            configured: Some(tracker.place.clone()),
            elsewhere: None,
        };
        let (holder, hold) = (owner.as_str().to_owned(), tracker.hold);
        let turns = TenantTurns { holder, hold, once: false };
        let (store, sink) = (store.clone(), sink.clone());
        let tenants = Tenants::new(clock, store, sink, source, Some(turns));
        tokio::spawn(tenants.run(stop_turns.clone()))
    });
    if let Some(hosts) = settings.reference.clone() {
        tokio::spawn(follow_genesys_time(hosts, clock, stop_turns.clone()));
    }
    let host = Host::new(clock, settings.host, owner, store, sink);
    let passing = signals.pass_on(stop.clone());
    tokio::select! {
        served = serve(settings.door, &task, host, keys, stop) => served?,
        () = passing => {}
        () = metrics.flush_every(METRICS_EVERY) => {}
    }
    // Calls run on until here, and somebody had to tell of them.
    stop_turns.cancel();
    if let Some(turns) = turns
        && tokio::time::timeout(LEAVE_MAX, turns).await.is_err()
    {
        tracing::warn!("the tracker did not leave in time; its lease runs out");
    }
    metrics.flush();
    Ok(())
}

/// Lets sessions in until told to stop, and sees them to their end.
async fn serve<S, R, K>(
    config: DoorConfig,
    task: &Task,
    host: Host<S, R>,
    keys: K,
    stop: Stop,
) -> Result<(), DoorError>
where
    S: CallStore + Mailbox + NonceStore + OwnerStore + OrganizationStore,
    R: RecordSink,
    K: SecretSource,
{
    let checks = vec![store_check(host.store()), keys_check(&keys)];
    let door = Door::bind(config, host.clone(), keys, checks)?;
    let stop_host = CancellationToken::new();
    let host_task = tokio::spawn(run_host(host.clone(), stop_host.clone()));
    // Before anybody calls.
    if let Err(error) = host.look_at_organizations().await {
        tracing::error!(error = chain(&error), "no organization's settings are known yet");
    }
    tokio::spawn(host.clone().follow_organizations(ORGANIZATIONS_EVERY, stop_host.clone()));
    let drained = {
        let keep = async {
            protection::keep(task, || host.session_count()).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            drained = door.serve(stop) => drained,
            () = keep => return Ok(()),
        }
    };
    if drained.unflushed > 0 {
        tracing::error!(sessions = drained.unflushed, "left for another door to declare");
    }
    let leaving = async { tokio::join!(host.leave(), protection::release(task)) };
    if tokio::time::timeout(LEAVE_MAX, leaving).await.is_err() {
        tracing::warn!("left without signing off in time");
    }
    stop_host.cancel();
    if let Err(error) = host_task.await {
        tracing::error!(error = chain(&error), "the host broke off");
    }
    Ok(())
}

/// Runs the host until told to stop; again if it broke off, as calls depend on it.
async fn run_host<S, R>(host: Host<S, R>, stop: CancellationToken)
where
    S: CallStore + Mailbox + NonceStore + OwnerStore,
    R: RecordSink,
{
    loop {
        // A task of its own: a panic there must not end this one.
        let (running, stopped) = (host.clone(), stop.clone());
        let ended = tokio::spawn(async move { running.run(stopped).await }).await;
        if stop.is_cancelled() {
            return;
        }
        let error = ended.err().map(|error| chain(&error));
        tracing::error!(error, "the host broke off and begins again");
        tokio::time::sleep(HOST_PAUSE).await;
    }
}

/// Names this process: by its task, so that people find it, and by chance, as a container may
/// be started again within its task and must not be taken for the one before.
async fn owner(task: &Task) -> OwnerId {
    let id = match task.id().await {
        Ok(id) => id,
        Err(error) => {
            tracing::warn!(error = chain(&error), "the task's id is not known");
            None
        }
    };
    let chance = uuid::Uuid::new_v4().simple().to_string();
    match id {
        Some(id) => OwnerId::new(format!("door-{id}-{}", &chance[..8])),
        None => OwnerId::new(format!("door-{chance}")),
    }
}

fn store_check<S: OwnerStore>(store: &S) -> ReadinessCheck {
    let store = store.clone();
    ReadinessCheck::new("store", move || {
        let store = store.clone();
        async move { store.owners().await.map(drop) }
    })
}

fn keys_check<K: SecretSource>(keys: &K) -> ReadinessCheck {
    let keys = keys.clone();
    ReadinessCheck::new("keys", move || {
        let keys = keys.clone();
        async move { keys.key(NO_KEY).await.map(drop) }
    })
}

#[cfg(test)]
mod tests;
