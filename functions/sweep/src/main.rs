//! Looks after the connections that API Gateway holds, for most of a minute, every minute:
//! deadlines that pass, letters, turns of invocations that died; and after doors that died.
//!
//! Two of them at once do no harm, and a minute without one costs a minute's delay.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use sidetone_lambda_door::{Door, DoorConfig};
use sidetone_lambda_start::{Environment, Invocation, StartError, TextMedia, run};
use sidetone_ports::Clock;
use sidetone_ports_aws::{Aws, DynamoStore, KinesisSink, ManagementLine, Tables};

/// How long one run looks: the next one comes after a minute.
const SPAN: Duration = Duration::from_secs(58);

/// What a run keeps of its time to end what it has begun.
const RESERVE: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    run("sweep", async |environment: Environment| {
        let door = Arc::new(set_up(&environment).await?);
        Ok(move |_event: serde_json::Value, invocation: Invocation| {
            let span = SPAN.min(invocation.remaining().saturating_sub(RESERVE));
            let door = Arc::new(door.at(invocation.clock));
            async move {
                door.sweep(span).await;
                Ok(serde_json::json!({}))
            }
        })
    })
}

async fn set_up(
    environment: &Environment,
) -> Result<Door<DynamoStore, KinesisSink, ManagementLine>, StartError> {
    let text_media = environment.text_media()? == TextMedia::Enabled;
    let config = DoorConfig::new(environment.listen()?, environment.on_hold()?, text_media);
    let tables = Tables {
        calls: environment.calls_table()?.to_owned(),
        users: environment.users_table()?.to_owned(),
        tracker: environment.tracker_table()?.to_owned(),
    };
    let (stream, endpoint) = (environment.stream()?, environment.management_endpoint()?);
    let aws = Aws::connect().await?;
    let (store, sink, line) = (aws.store(tables), aws.sink(stream), aws.line(endpoint));
    Ok(Door::new(Clock::system(), config, store, sink, line))
}
