//! From files and environment to a checked configuration; tracing set-up.

mod config;
mod limits;
mod log;

pub use config::{
    ApiConfig, ApiTokenConfig, AudioHookConfig, Config, ConfigError, GenesysConfig, GenesysHosts,
    MoreClient, SecretText, StreamConfig, listen_address,
};
pub use limits::LimitsConfig;
pub use log::{LogFormat, start_log, start_log_to};
