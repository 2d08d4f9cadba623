//! Turns the stream into recordings, and tidies up now and then.
//!
//! Source: SIDETONE_RECORDINGS_BUCKET and SIDETONE_TRACKER_TABLE say where, SIDETONE_USERS_TABLE
//! for how long each organization's are kept; see `handler` for
//! what becomes of records that cannot be recorded.

mod event;
mod handler;
mod scratch;

use std::process::ExitCode;
use std::sync::Arc;

use sidetone_lambda_start::{Environment, Invocation, StartError, run};
use sidetone_ports_aws::{Aws, Tables};

use crate::event::Event;
use crate::handler::Handler;
use crate::scratch::own_folder;

fn main() -> ExitCode {
    run("recorder", async |environment: Environment| {
        let handler = Arc::new(set_up(&environment).await?);
        Ok(move |event: Event, invocation: Invocation| {
            let handler = Arc::clone(&handler);
            async move { handler.handle(event, invocation).await }
        })
    })
}

async fn set_up(
    environment: &Environment,
) -> Result<
    Handler<sidetone_ports_aws::BucketRecordings, sidetone_ports_aws::DynamoStore>,
    StartError,
> {
    let bucket = environment.recordings_bucket()?;
    // Of the three tables it knows two.
    let tables = Tables {
        calls: String::new(),
        users: environment.users_table()?.to_owned(),
        tracker: environment.tracker_table()?.to_owned(),
    };
    let aws = Aws::connect().await?;
    let scratch = own_folder(&std::env::temp_dir().join("recordings"));
    let store = aws.store(tables);
    Ok(Handler::new(aws.recordings(bucket).kept_by(store.clone()), store, scratch))
}
