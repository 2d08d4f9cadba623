//! The tracker within the door: the same, under the same leases, as the function that is started
//! every minute.
//!
//! It asks for leases also while it holds them: so it succeeds itself with an overlap, or is
//! succeeded by whoever asks first.

use std::time::Duration;

use sidetone_lambda_start::{Environment, EnvironmentError, Tracking};
use sidetone_model::PlatformPlace;
use sidetone_tracking::{Hosts, PlaceError};

/// What a tracker within the door is told.
#[derive(Debug, Clone)]
pub(crate) struct TrackerSettings {
    /// Where the platform of the configured client is.
    pub(crate) place: PlatformPlace,
    pub(crate) hold: Duration,
    /// The ARN of the secret with the OAuth clients.
    pub(crate) secret: String,
}

/// Why the door cannot track.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrackerSettingsError {
    /// A variable is missing or wrong.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// There is no such platform.
    #[error("SIDETONE_GENESYS_REGION, or SIDETONE_GENESYS_LOGIN and _API, cannot be used")]
    Place(#[from] PlaceError),
}

impl TrackerSettings {
    /// Reads the environment; nothing if the door does not track.
    ///
    /// Errors: the first variable that is missing or is not what it should be.
    pub(crate) fn read(environment: &Environment) -> Result<Option<Self>, TrackerSettingsError> {
        match environment.tracking()? {
            Tracking::Disabled => return Ok(None),
            Tracking::Enabled => {}
        }
        let place = environment.genesys()?;
        Hosts::at(&place)?;
        let (hold, secret) = (environment.hold()?, environment.genesys_secret()?.to_owned());
        Ok(Some(Self { place, hold, secret }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_tracks_if_it_is_told_to_and_whom() {
        let all = [
            ("SIDETONE_TRACKING", "enabled"),
            ("SIDETONE_GENESYS_SECRET", "arn"),
            ("SIDETONE_GENESYS_REGION", "usw2"),
        ];
        let settings = TrackerSettings::read(&Environment::of(all)).unwrap().unwrap();
        assert_eq!((settings.hold, settings.secret.as_str()), (Duration::from_secs(840), "arn"));
        for missing in 1..all.len() {
            let rest = all.into_iter().enumerate().filter(|(place, _)| *place != missing);
            let rest = Environment::of(rest.map(|(_, pair)| pair));
            assert!(TrackerSettings::read(&rest).is_err(), "{}", all[missing].0);
        }
        let nothing: [(&str, &str); 0] = [];
        assert!(TrackerSettings::read(&Environment::of(nothing)).unwrap().is_none());
        let wrong = all.map(|(name, value)| (name, if value == "usw2" { "usw9" } else { value }));
        assert!(TrackerSettings::read(&Environment::of(wrong)).is_err());
    }
}
