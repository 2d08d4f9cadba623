//! The first lines of every process.

use crate::emf::Metrics;
use crate::environment::Environment;
use crate::log::start_log;
use crate::tls::choose_tls;

/// What a process has once it has started.
#[derive(Debug, Clone)]
pub struct Started {
    /// Its settings.
    pub environment: Environment,
    /// Where its metrics gather until somebody flushes them.
    pub metrics: Metrics,
}

/// Starts logs, metrics and TLS; call it once, before anything else.
///
/// `name` is what logs and metrics say where neither `SIDETONE_NAME` nor Lambda name the
/// process.
pub fn start(name: &str) -> Started {
    let environment = Environment::read();
    start_log(environment.log_filter());
    choose_tls();
    let metrics = Metrics::install(environment.name().unwrap_or(name));
    Started { environment, metrics }
}
