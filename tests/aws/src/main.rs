//! Runs Sidetone on a local AWS, or tests it there.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use sidetone_genesys_sim::{Town, Traffic};
use sidetone_ports::Clock;
use sidetone_tests_aws::{
    Addresses, Args, Command, LocalError, Progress, Running, judge, provision,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let progress = Progress::begin();
    let stop = CancellationToken::new();
    tokio::spawn(cancel_when_asked_to_end(stop.clone()));
    match run(&args, &progress, &stop).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress.complain(&error);
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args, progress: &Progress, stop: &CancellationToken) -> Result<(), LocalError> {
    let start = match &args.command {
        Command::Up { start, .. } | Command::Test { start, .. } => start,
        Command::Provision => return provision(&Addresses::of_environment()?).await,
    };
    // A start that is cut short kills what it had started.
    let Some(running) = stop.run_until_cancelled(Running::start(start, progress)).await else {
        return Ok(());
    };
    let running = running?;
    let outcome = match &args.command {
        Command::Provision => Ok(()),
        Command::Up { json, quiet, .. } => {
            announce(running.addresses(), *json);
            if *quiet {
                stop.cancelled().await;
                Ok(())
            } else {
                live(running.addresses(), stop).await
            }
        }
        Command::Test { tests, .. } => {
            let testing = judge(&start.root, running.addresses(), tests, progress);
            stop.run_until_cancelled(testing).await.unwrap_or(Err(LocalError::Tests))
        }
    };
    progress.say("stopping");
    let ended = running.stop().await;
    outcome.and(ended)
}

/// Simulates a day in a contact center until somebody wants it to end.
async fn live(addresses: &Addresses, stop: &CancellationToken) -> Result<(), LocalError> {
    let clock = Clock::system();
    let platform = addresses.genesys.start(clock).await?;
    let Some(door) = &addresses.stack.audio_door else {
        stop.cancelled().await;
        return Ok(());
    };
    // Not only a minute after the deployment, which is when the schedule begins.
    addresses.cloud()?.start(addresses.stack.output("TrackerFunction")?).await?;
    let stage = addresses.genesys.stage(clock, &platform, door)?;
    Town::new(stage, Traffic::default()).live(stop.clone(), |_| {}).await;
    platform.stop().await;
    Ok(())
}

fn announce(addresses: &Addresses, json: bool) {
    let text = if json {
        serde_json::to_string_pretty(addresses).unwrap_or_default()
    } else {
        let (stack, text) = (&addresses.stack, &addresses.text_stack);
        let audio = stack.audio_door.as_deref().unwrap_or("not deployed");
        let genesys = &addresses.genesys;
        format!(
            "\nALB door          {audio}\nAPI Gateway door  {}\n\
             the same, taking media as text  {}\nlocal AWS         {}\n\
             logs              {}\nAudioHook key     {}\nits secret        {}\n\n\
             AWS_ENDPOINT_URL={} AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test \
             AWS_REGION={} SSL_CERT_FILE={}\n\nCtrl-C ends it.",
            stack.api_door,
            text.api_door,
            addresses.endpoint,
            addresses.run.display(),
            genesys.key_id,
            genesys.key_secret,
            addresses.endpoint,
            addresses.region,
            addresses.authority.display(),
        )
    };
    // Whoever does not listen misses nothing else.
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Waits for Ctrl-C, or for whoever ends processes politely.
async fn cancel_when_asked_to_end(stop: CancellationToken) {
    let asked = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminated) => terminated.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = asked => {}
    }
    stop.cancel();
}
