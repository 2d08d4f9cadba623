//! Takes one text message that reached API Gateway.
//!
//! Always answers 200 and nothing else: what is said to the client goes by `@connections`, one
//! message after the other. What goes wrong is the door's to tell, in the client's own protocol.

mod event;

use std::process::ExitCode;
use std::sync::Arc;

use sidetone_lambda_door::{Door, DoorConfig};
use sidetone_lambda_start::{Environment, Invocation, StartError, TextMedia, run};
use sidetone_ports::Clock;
use sidetone_ports_aws::{Aws, DynamoStore, KinesisSink, ManagementLine, Tables};

use crate::event::{Answer, Event};

fn main() -> ExitCode {
    run("message", async |environment: Environment| {
        let door = Arc::new(set_up(&environment).await?);
        Ok(move |event: Event, invocation: Invocation| {
            let door = door.at(invocation.clock);
            async move {
                if let Some(message) = event.into_message() {
                    door.message(message).await;
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
