//! Learns that API Gateway lost a connection.
//!
//! The news may come late, twice, before the last messages, or never; all of that is the door's
//! affair. Nobody reads the answer.

mod event;

use std::process::ExitCode;
use std::sync::Arc;

use sidetone_lambda_door::{Door, DoorConfig};
use sidetone_lambda_start::{Environment, Invocation, StartError, TextMedia, run};
use sidetone_ports::Clock;
use sidetone_ports_aws::{Aws, DynamoStore, KinesisSink, ManagementLine, Tables};

use crate::event::{Answer, Event};

fn main() -> ExitCode {
    run("disconnect", async |environment: Environment| {
        let door = Arc::new(set_up(&environment).await?);
        Ok(move |event: Event, invocation: Invocation| {
            let door = door.at(invocation.clock);
            async move {
                if let Some(news) = event.into_news() {
                    door.disconnected(news).await;
                }
                Ok(Answer::DONE)
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
    Ok(Door::new(Clock::system(), config, aws.store(tables), aws.sink(stream), aws.line(endpoint)))
}
