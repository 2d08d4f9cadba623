//! Where the platform is: a region's hosts, or a simulated platform on this machine.
//!
//! Refuses every other host, because the client secret is sent there.

use http::Uri;
use sidetone_model::PlatformPlace;
use sidetone_notification_proto::{Region, UnknownRegion};

/// The hosts of one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts {
    login: String,
    api: String,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Region(&'static Region),
    Loopback,
}

/// An address that is not one of this machine's own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a platform outside the Genesys regions must be on this machine: {address}")]
pub struct HostsError {
    /// The address.
    pub address: String,
}

/// A place where no platform is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// Genesys has no such region.
    #[error(transparent)]
    Region(#[from] UnknownRegion),
    /// It is on another machine, and in no region.
    #[error(transparent)]
    Hosts(#[from] HostsError),
}

impl Hosts {
    /// Returns the hosts of a platform by where it was said to be.
    ///
    /// Errors: [`PlaceError`].
    pub fn at(place: &PlatformPlace) -> Result<Self, PlaceError> {
        Ok(match place {
            PlatformPlace::Region(region) => Self::resolve(region)?,
            PlatformPlace::Hosts { login, api } => Self::loopback(login, api)?,
        })
    }

    /// Returns the hosts of a Genesys Cloud region.
    pub fn of_region(region: &'static Region) -> Self {
        Self { login: region.login_url(), api: region.api_url(), place: Place::Region(region) }
    }

    /// Returns the hosts of a region by any of the names that people have for it.
    ///
    /// Errors: [`UnknownRegion`] if Genesys has none of that name.
    pub fn resolve(region: &str) -> Result<Self, UnknownRegion> {
        Region::resolve(region).map(Self::of_region)
    }

    /// Returns the hosts of a simulated platform, by the base addresses of its login and its
    /// API, such as `http://127.0.0.1:8081`.
    ///
    /// Errors: [`HostsError`] if either is not on this machine.
    pub fn loopback(login: &str, api: &str) -> Result<Self, HostsError> {
        let check = |address: &str| {
            let uri: Option<Uri> = address.parse().ok();
            match uri {
                Some(uri) if is_loopback(&uri) && uri.scheme_str() == Some("http") => {
                    Ok(address.trim_end_matches('/').to_owned())
                }
                _ => Err(HostsError { address: address.to_owned() }),
            }
        };
        Ok(Self { login: check(login)?, api: check(api)?, place: Place::Loopback })
    }

    pub(super) fn login(&self) -> &str {
        &self.login
    }

    pub(super) fn api(&self) -> &str {
        &self.api
    }

    /// Returns the name, and the port if there is one, of the host of a base URL.
    pub(super) fn name_of(base: &str) -> String {
        base.split_once("://").map_or(base, |(_, rest)| rest).trim_end_matches('/').to_owned()
    }

    /// Returns whether requests stay on this machine.
    pub(super) fn is_local(&self) -> bool {
        self.place == Place::Loopback
    }

    /// Returns whether a socket address that the platform named is its own.
    pub(super) fn may_connect(&self, address: &str) -> bool {
        let Ok(uri) = address.parse::<Uri>() else { return false };
        match self.place {
            Place::Region(region) => {
                uri.scheme_str() == Some("wss")
                    && uri.host().is_some_and(|host| region.serves(host))
            }
            Place::Loopback => matches!(uri.scheme_str(), Some("ws" | "wss")) && is_loopback(&uri),
        }
    }
}

fn is_loopback(uri: &Uri) -> bool {
    let Some(authority) = uri.authority() else { return false };
    !authority.as_str().contains('@')
        && matches!(authority.host(), "127.0.0.1" | "localhost" | "[::1]" | "::1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s02_only_this_machine_may_stand_in_for_genesys() {
        assert!(Hosts::loopback("http://127.0.0.1:81/", "http://localhost:82").is_ok());
        for address in [
            "http://evil.com",
            "http://127.0.0.1@evil.com",
            "http://127.0.0.1.evil.com",
            "https://127.0.0.1",
            "127.0.0.1",
            "",
        ] {
            assert!(Hosts::loopback("http://127.0.0.1:81", address).is_err(), "{address}");
            assert!(Hosts::loopback(address, "http://127.0.0.1:81").is_err(), "{address}");
        }
    }

    #[test]
    fn s23_a_socket_leads_nowhere_but_to_the_platform() {
        let hosts = Hosts::of_region(Region::resolve("usw2").unwrap());
        assert!(hosts.may_connect("wss://streaming.usw2.pure.cloud/channels/streaming-4-x"));
        for address in [
            "ws://streaming.usw2.pure.cloud/channels/x",
            "wss://streaming.euw2.pure.cloud/channels/x",
            "wss://streaming.usw2.pure.cloud.evil.com/channels/x",
            "wss://streaming.usw2.pure.cloud@evil.com/x",
            "wss://127.0.0.1/channels/x",
            "",
        ] {
            assert!(!hosts.may_connect(address), "{address}");
        }
        let local = Hosts::loopback("http://127.0.0.1:81", "http://127.0.0.1:82").unwrap();
        assert!(local.may_connect("ws://127.0.0.1:83/channels/x"));
        assert!(!local.may_connect("ws://streaming.usw2.pure.cloud/channels/x"));
    }
}
