//! A Lambda function from its first line to its last invocation.

use std::collections::BTreeMap;
use std::error::Error;
use std::future::Future;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sidetone_model::Timestamp;
use sidetone_ports::{Clock, chain};

use crate::emf::Metrics;
use crate::environment::Environment;
use crate::start::{Started, start};

/// Why a function could not start; its chain is logged, and Lambda starts it anew.
pub type StartError = Box<dyn Error + Send + Sync>;

/// Why an invocation failed; its chain is logged, and Lambda or the event's source may repeat
/// it.
pub type HandlerError = Box<dyn Error + Send + Sync>;

/// How often an invocation that lasts writes its metrics.
const FLUSH_INTERVAL: Duration = Duration::from_secs(60);

/// Variables without which the runtime's library would panic.
const LAMBDA_VARIABLES: [&str; 4] = [
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_RUNTIME_API",
];

/// What an invocation knows beside its event.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// What Lambda calls it; in every line of its log.
    pub request_id: String,
    /// The time. Made anew for each invocation, as a clock stands still while the function is
    /// frozen between two.
    pub clock: Clock,
    /// When Lambda ends it, done or not.
    pub deadline: Timestamp,
}

impl Invocation {
    /// Returns how much time is left.
    pub fn remaining(&self) -> Duration {
        self.deadline.since(self.clock.now())
    }
}

/// Runs a function: starts it, lets `set_up` make its handler once, and hands it every event.
///
/// Returns only if something is wrong with the function itself, after logging what.
///
/// ```no_run
/// use sidetone_lambda_start::{Invocation, run};
///
/// fn main() -> std::process::ExitCode {
///     run("echo", async |environment| {
///         let stream = environment.stream()?.to_owned();
///         Ok(move |event: serde_json::Value, _: Invocation| {
///             let stream = stream.clone();
///             async move { Ok(serde_json::json!({"event": event, "stream": stream})) }
///         })
///     })
/// }
/// ```
pub fn run<S, SF, H, HF, A, R>(name: &str, set_up: S) -> ExitCode
where
    S: FnOnce(Environment) -> SF,
    SF: Future<Output = Result<H, StartError>>,
    H: Fn(A, Invocation) -> HF,
    HF: Future<Output = Result<R, HandlerError>>,
    A: DeserializeOwned,
    R: Serialize,
{
    let begun = Instant::now();
    let Started { environment, metrics } = start(name);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let ended = runtime.block_on(async {
        check_variables(&std::env::vars_os().collect())?;
        let handler = set_up(environment).await?;
        metrics::histogram!("sidetone_start_milliseconds").record(millis(begun));
        serve(&handler, &metrics).await
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&*error),
    }
}

fn failed(error: &(dyn Error + 'static)) -> ExitCode {
    tracing::error!(error = chain(error), "the function cannot run");
    ExitCode::FAILURE
}

/// A failure whose chain the runtime's library logs, once.
struct Failed(String);

impl std::fmt::Debug for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Failed> for Diagnostic {
    fn from(failed: Failed) -> Self {
        Self { error_type: "HandlerError".into(), error_message: failed.0 }
    }
}

async fn serve<H, HF, A, R>(handler: &H, metrics: &Metrics) -> Result<(), StartError>
where
    H: Fn(A, Invocation) -> HF,
    HF: Future<Output = Result<R, HandlerError>>,
    A: DeserializeOwned,
    R: Serialize,
{
    let service = service_fn(|event: LambdaEvent<A>| {
        let begun = Instant::now();
        let invocation = invocation(&event.context);
        let answer = handler(event.payload, invocation);
        async move {
            let answer = tokio::select! {
                answer = answer => answer,
                () = metrics.flush_every(FLUSH_INTERVAL) => Err("flushing never ends".into()),
            };
            metrics::histogram!("sidetone_handling_milliseconds").record(millis(begun));
            metrics.flush();
            answer.map_err(|error| Failed(chain(&*error)))
        }
    });
    lambda_runtime::run(service).await
}

fn millis(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1_000.0
}

fn invocation(context: &lambda_runtime::Context) -> Invocation {
    Invocation {
        request_id: context.request_id.clone(),
        clock: Clock::system(),
        deadline: Timestamp::from_millis(i64::try_from(context.deadline).unwrap_or(i64::MAX)),
    }
}

fn check_variables(
    variables: &BTreeMap<std::ffi::OsString, std::ffi::OsString>,
) -> Result<(), StartError> {
    for variable in LAMBDA_VARIABLES {
        if !variables.contains_key(std::ffi::OsStr::new(variable)) {
            let why = "is not set; this program runs on AWS Lambda or under cargo lambda watch";
            return Err(format!("{variable} {why}").into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_outside_lambda_says_so() {
        let error = check_variables(&BTreeMap::new()).unwrap_err().to_string();
        assert!(error.starts_with("AWS_LAMBDA_FUNCTION_NAME is not set"), "{error}");
        let all = LAMBDA_VARIABLES.map(|variable| (variable.into(), "x".into()));
        assert!(check_variables(&all.into()).is_ok());
    }

    #[test]
    fn an_invocation_knows_its_time() {
        let mut context = lambda_runtime::Context::default();
        context.deadline = u64::try_from(Clock::system().now().as_millis()).unwrap() + 60_000;
        let remaining = invocation(&context).remaining();
        assert!(remaining > Duration::from_secs(50) && remaining <= Duration::from_secs(60));
        context.deadline = 0;
        assert_eq!(invocation(&context).remaining(), Duration::ZERO);
    }
}
