//! `sidetone simulate`: plays Genesys Cloud, and says whether what came of it is right.

mod embedded;
mod evidence;
mod follow;
mod house;
mod premises;
mod round;
mod story;
mod target;
mod told;
mod weather;

use std::sync::Arc;

use sidetone_audiohook_proto::{KeyId, Secret};
use sidetone_bootstrap::start_log;
use sidetone_genesys_sim::{Recording, Target};

pub use embedded::{Embedded, EmbeddedReport, Lag};
pub use story::Story;
pub use target::{TargetCall, TargetReport, TargetRun};

use crate::args::{GlobalArgs, SimulateArgs};
use crate::failure::{Exit, Failure};
use crate::organization::SIMULATED_ORGANIZATION;
use crate::output::Output;

/// Plays Genesys Cloud and judges what was delivered.
pub(crate) async fn simulate(
    global: &GlobalArgs,
    args: &SimulateArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    start_log(global.log_format(), global.log_filter("error"));
    let sound = args.wav.as_deref().map(Recording::open).transpose();
    let sound = sound.map_err(|error| {
        let path = error.path.display().to_string();
        Failure::bad_input(format!("cannot play {path}")).because(error)
    })?;
    let sound = sound.map(Arc::new);
    #[cfg(feature = "aws")]
    if let Some(stack) = crate::stack::Stack::named(global).await? {
        let ok = judge_stack(&stack, global, args, output).await?;
        return Ok(if ok { Exit::Done } else { Exit::VerdictNo });
    }
    let ok = match &args.target {
        Some(url) => dial(url, global, args, sound, output).await?,
        None => judge_own(global, args, sound, output).await?,
    };
    Ok(if ok { Exit::Done } else { Exit::VerdictNo })
}

/// Plays calls against a Sidetone of our own.
async fn judge_own(
    global: &GlobalArgs,
    args: &SimulateArgs,
    sound: Option<Arc<Recording>>,
    output: &mut Output<'_>,
) -> Result<bool, Failure> {
    let run = Embedded {
        scenarios: args.scenario.0.clone(),
        calls: args.calls,
        speed: args.speed,
        seed: args.seed.unwrap_or(1),
        sound,
        concurrency: usize::try_from(args.concurrency).unwrap_or(usize::MAX),
        plant: args.plant,
        data: global.data.clone(),
    };
    let calls = run.call_count();
    output.note(format_args!("playing {calls} calls {}", how(run.seed, run.speed)));
    let progress = output.progress("playing calls");
    progress.set_length(calls);
    let report = until_interrupted(run.run(|| progress.inc(1))).await?;
    progress.finish_and_clear();
    let ok = tell(&report, global, args, output)?;
    if output.is_json() {
        return Ok(ok);
    }
    match &report.recordings[..] {
        [] => output.line("recordings were removed; keep them with --data DIR")?,
        directories => {
            for directory in directories {
                output.line(format_args!("recordings lie in {}", directory.display()))?;
            }
        }
    }
    Ok(ok)
}

/// Plays calls against a stack that was deployed for a simulated platform.
#[cfg(feature = "aws")]
async fn judge_stack(
    stack: &crate::stack::Stack,
    global: &GlobalArgs,
    args: &SimulateArgs,
    output: &mut Output<'_>,
) -> Result<bool, Failure> {
    let mut scenarios = args.scenario.0.clone();
    if args.scenario.is_all() {
        scenarios.retain(|scenario| !scenario.stands_alone());
        output.note(format_args!(
            "scenarios that disturb every call of a platform are left out; --embedded plays them"
        ));
    }
    let run = Embedded {
        calls: args.calls,
        seed: args.seed.unwrap_or(1),
        concurrency: usize::try_from(args.concurrency).unwrap_or(usize::MAX),
        ..Embedded::new(scenarios)
    };
    let calls = run.call_count();
    output.note(format_args!(
        "playing {calls} calls against stack {} {}",
        stack.name(),
        how(run.seed, run.speed)
    ));
    let progress = output.progress("playing calls");
    progress.set_length(calls);
    let played = run.run_deployed(stack, &args.door, args.relay(), || progress.inc(1));
    let report = until_interrupted(played).await?;
    progress.finish_and_clear();
    tell(&report, global, args, output)
}

fn tell(
    report: &EmbeddedReport,
    global: &GlobalArgs,
    args: &SimulateArgs,
    output: &mut Output<'_>,
) -> Result<bool, Failure> {
    if output.is_json() {
        output.json(report)?;
        return Ok(report.ok);
    }
    output.line(told::verdicts(report))?;
    if args.scenario.is_tour() {
        output.line("\nWho talked, and what was heard:")?;
        for line in told::stories(report) {
            output.line(line)?;
        }
    }
    output.line("")?;
    for line in told::complaints(report, global, args) {
        output.line(line)?;
    }
    let bad = report.calls.iter().filter(|call| !call.ok).count();
    output.line(told::verdict(bad, report.calls.len(), report.violations.len()))?;
    for line in told::lags(report) {
        output.line(line)?;
    }
    if let Some(line) = told::replays(report) {
        output.line(line)?;
    }
    Ok(report.ok)
}

/// Plays the client alone.
async fn dial(
    url: &str,
    global: &GlobalArgs,
    args: &SimulateArgs,
    sound: Option<Arc<Recording>>,
    output: &mut Output<'_>,
) -> Result<bool, Failure> {
    let Some(key) = &args.api_key else {
        return Err(Failure::bad_input("--target needs an --api-key"));
    };
    let secret = args.secret()?.map(|secret| Secret::from_base64(secret.reveal())).transpose();
    let secret = secret
        .map_err(|error| Failure::bad_input("the client secret is not base64").because(error))?;
    let organization = args.organization.unwrap_or(SIMULATED_ORGANIZATION);
    let target = Target::new(url, organization, KeyId::new(key.as_str()), secret)
        .map_err(|error| Failure::bad_input(format!("cannot dial {url}")).because(error))?;
    let target = match args.relay() {
        Some(relay) => target.behind(relay),
        None => target,
    };
    let run = TargetRun {
        target,
        scenarios: args.scenario.0.clone(),
        calls: args.calls,
        speed: args.speed,
        seed: args.seed.unwrap_or_else(|| rand::random::<u32>().into()),
        recording_only: sound.is_some() && args.scenario.is_tour(),
        sound,
        concurrency: usize::try_from(args.concurrency).unwrap_or(usize::MAX),
    };
    let calls = run.call_count();
    output.note(format_args!("dialling {url} {calls} times {}", how(run.seed, run.speed)));
    let progress = output.progress("playing calls");
    progress.set_length(calls);
    let report = until_interrupted(run.run(|| progress.inc(1))).await?;
    progress.finish_and_clear();
    if output.is_json() {
        output.json(&report)?;
        return Ok(report.ok);
    }
    output.line(told::sessions(&report))?;
    output.line("")?;
    for call in report.calls.iter().filter(|call| !call.faults.is_empty()) {
        for fault in &call.faults {
            output.line(format_args!("{} {}: {fault}", call.scenario, call.session_id))?;
        }
        // A file that is the whole call is played without a scenario.
        let scenario = (!run.recording_only).then_some(call.scenario.as_str());
        let command = told::repeat(global, args, scenario, call.seed);
        output.line(format_args!("  once more: {command}"))?;
    }
    let bad = report.calls.iter().filter(|call| !call.ok).count();
    output.line(told::verdict(bad, report.calls.len(), 0))?;
    Ok(report.ok)
}

fn how(seed: u64, speed: f64) -> String {
    if speed == 1.0 {
        format!("with seed {seed}")
    } else {
        format!("with seed {seed}, {speed} times as fast")
    }
}

/// Lets work go on until Ctrl-C; what it had begun is dropped then.
async fn until_interrupted<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        done = work => done,
        _ = tokio::signal::ctrl_c() => Err(Failure::fault("interrupted; there is no verdict")),
    }
}
