//! What every deployed process does before it handles its first event: settings, logs, metrics,
//! TLS; and, on Lambda, how each invocation is run.
//!
//! Refuses: knowing what a function does. `environment`, `log`, `metrics` and `tls` know nothing
//! of Lambda and serve the long-lived door as well.

mod emf;
mod environment;
mod lambda;
mod log;
mod start;
mod tls;

pub use emf::Metrics;
pub use environment::{Environment, EnvironmentError, TextMedia, Tracking};
pub use lambda::{HandlerError, Invocation, StartError, run};
pub use log::start_log;
pub use start::{Started, start};
pub use tls::choose_tls;
