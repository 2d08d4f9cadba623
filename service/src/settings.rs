//! The door's settings: all of them read and checked before anything starts.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use sidetone_driver::{EngineConfig, HostConfig};
use sidetone_lambda_start::Environment;
use sidetone_listener::{Shares, SourceRules};
use sidetone_ports_aws::Tables;
use sidetone_socket_door::{DoorConfig, DoorLimits, DoorPace};
use sidetone_tracking::Hosts;

use crate::tracker::{TrackerSettings, TrackerSettingsError};

/// What the door is told.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) tables: Tables,
    pub(crate) stream: String,
    pub(crate) keys_secret: String,
    pub(crate) host: HostConfig,
    pub(crate) door: DoorConfig,
    /// Whose time is the reference of this machine's clock; nothing if no region is known.
    pub(crate) reference: Option<Hosts>,
    /// Whether, and whom, it tracks.
    pub(crate) tracker: Option<TrackerSettings>,
}

impl Settings {
    /// Reads the environment.
    ///
    /// Errors: the first variable that is missing or is not what it should be.
    pub(crate) fn read(
        environment: &Environment,
        shares: Shares,
    ) -> Result<Self, TrackerSettingsError> {
        let engine = EngineConfig {
            listen: environment.listen()?,
            on_hold: environment.on_hold()?,
            ..EngineConfig::default()
        };
        let limits =
            DoorLimits { sessions_max: environment.sessions_max()?, ..DoorLimits::default() };
        let door = DoorConfig {
            // The load balancer comes from outside the container.
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, environment.port()?)),
            public_authority: environment.public_authority()?,
            limits: limits.within(shares),
            sources: sources(environment)?,
            pace: pace(environment.drain()?),
            ..DoorConfig::default()
        };
        Ok(Self {
            tables: Tables {
                calls: environment.calls_table()?.to_owned(),
                users: environment.users_table()?.to_owned(),
                tracker: environment.tracker_table()?.to_owned(),
            },
            stream: environment.stream()?.to_owned(),
            keys_secret: environment.keys_secret()?.to_owned(),
            host: HostConfig { engine, ..HostConfig::default() },
            door,
            reference: environment.genesys().ok().and_then(|place| Hosts::at(&place).ok()),
            tracker: TrackerSettings::read(environment)?,
        })
    }
}

/// Behind a load balancer every connection is the balancer's: sources are limited only where it
/// is known, and names its clients.
fn sources(environment: &Environment) -> Result<SourceRules, TrackerSettingsError> {
    let trusted_proxies = environment.trusted_proxies()?;
    let limited = !trusted_proxies.is_empty();
    Ok(SourceRules { trusted_proxies, limited, ..SourceRules::default() })
}

/// Divides the time between SIGTERM and the end: calls run on for as long as taking leave and
/// delivering what is left do not need it.
fn pace(drain: Duration) -> DoorPace {
    let pace = DoorPace::default();
    let flush_limit = pace.flush_limit.min(drain / 2);
    let shutdown_grace = pace.shutdown_grace.min(drain / 4);
    let drain_limit = drain.saturating_sub(flush_limit + shutdown_grace);
    DoorPace { drain_limit, shutdown_grace, flush_limit, ..pace }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDED: [&str; 5] = [
        "SIDETONE_CALLS_TABLE",
        "SIDETONE_USERS_TABLE",
        "SIDETONE_TRACKER_TABLE",
        "SIDETONE_STREAM",
        "SIDETONE_KEYS_SECRET",
    ];

    fn read<'a>(
        all: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Settings, TrackerSettingsError> {
        Settings::read(&Environment::of(all), Shares::of(65_536))
    }

    #[test]
    fn sources_are_limited_only_behind_a_balancer_that_is_known() {
        let all = NEEDED.map(|name| (name, "x")).into_iter();
        assert!(!read(all.clone()).unwrap().door.sources.limited);
        let known = all.chain([("SIDETONE_TRUSTED_PROXIES", "10.91.0.0/24, 10.92.0.0/24")]);
        let sources = read(known).unwrap().door.sources;
        assert!(sources.limited && sources.trusted_proxies.len() == 2);
    }

    #[test]
    fn each_setting_that_is_needed_is_named_if_it_is_missing() {
        let all = NEEDED.map(|name| (name, "x"));
        let settings = read(all).unwrap();
        assert_eq!(settings.door.listen.to_string(), "0.0.0.0:8080");
        for name in NEEDED {
            let rest = all.into_iter().filter(|(other, _)| *other != name);
            let error = read(rest).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{name} is not set")), "{error}");
        }
    }

    #[test]
    fn what_is_wrong_is_refused_before_anything_starts() {
        let wrong = [
            ("SIDETONE_PORT", "http"),
            ("SIDETONE_LISTEN", "never"),
            ("SIDETONE_SESSIONS_MAX", "none"),
            ("SIDETONE_DRAIN_SECONDS", "900"),
            ("SIDETONE_TRUSTED_PROXIES", "balancer"),
        ];
        for (name, value) in wrong {
            let all = NEEDED.map(|name| (name, "x")).into_iter().chain([(name, value)]);
            let error = read(all).unwrap_err().to_string();
            assert!(error.starts_with(name) && error.contains(value), "{error}");
        }
    }

    #[test]
    fn the_drain_ends_in_time_whatever_it_is_set_to() {
        for seconds in [0, 1, 10, 110, 119] {
            let drain = Duration::from_secs(seconds);
            let pace = pace(drain);
            assert_eq!(pace.drain_limit + pace.shutdown_grace + pace.flush_limit, drain);
        }
        assert_eq!(pace(Duration::from_secs(110)).drain_limit, Duration::from_secs(98));
    }
}
