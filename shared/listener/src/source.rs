//! Who is on the other end of a connection: an address prefix, also behind a trusted proxy.

use std::fmt;
use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The prefix of addresses that shares one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source(IpNet);

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() {
            self.0.addr().fmt(f)
        } else {
            self.0.fmt(f)
        }
    }
}

/// Which addresses count as one source, and which peers are proxies that forward others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRules {
    /// Bits of an IPv4 address that name a source.
    pub ipv4_prefix: u8,
    /// Bits of an IPv6 address that name a source: a subscriber usually has a whole /64.
    pub ipv6_prefix: u8,
    /// Proxies whose `X-Forwarded-For` is believed. Limits per source do not apply to their
    /// own connections, as those carry the requests of many.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether there are limits per source at all.
    pub limited: bool,
}

impl Default for SourceRules {
    fn default() -> Self {
        Self { ipv4_prefix: 32, ipv6_prefix: 64, trusted_proxies: Vec::new(), limited: true }
    }
}

impl SourceRules {
    /// Returns the source of a connection; none where its peer has no limit of its own.
    pub fn of_peer(&self, peer: IpAddr) -> Option<Source> {
        let peer = peer.to_canonical();
        (self.limited && !self.is_trusted(peer)).then(|| self.prefix(peer))?
    }

    /// Returns the source of a request: the peer, or the client that a trusted proxy names.
    ///
    /// The last address of `X-Forwarded-For` that is no trusted proxy counts: those before it
    /// come from the client itself and may be invented.
    pub fn of_request(&self, peer: IpAddr, headers: &HeaderMap) -> Option<Source> {
        let peer = peer.to_canonical();
        if !self.is_trusted(peer) {
            return self.of_peer(peer);
        }
        let values = headers.get_all(FORWARDED_FOR).iter();
        let values: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
        let hops = values.iter().rev().flat_map(|value| value.rsplit(','));
        for hop in hops {
            let address = address_of(hop.trim())?;
            if !self.is_trusted(address) {
                return self.of_peer(address);
            }
        }
        None
    }

    fn is_trusted(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(&address))
    }

    fn prefix(&self, address: IpAddr) -> Option<Source> {
        let bits = match address {
            IpAddr::V4(_) => self.ipv4_prefix.min(32),
            IpAddr::V6(_) => self.ipv6_prefix.min(128),
        };
        IpNet::new(address, bits).ok().map(|network| Source(network.trunc()))
    }
}

/// Reads an address, also with a port as some proxies write it.
fn address_of(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let address =
        bare.parse().or_else(|_| text.parse().map(|with: std::net::SocketAddr| with.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn forwarded(value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(FORWARDED_FOR, http::HeaderValue::from_static(value));
        headers
    }

    fn shown(source: Option<Source>) -> String {
        source.map_or_else(|| "none".to_owned(), |source| source.to_string())
    }

    #[test]
    fn ipv6_addresses_of_one_subscriber_are_one_source() {
        let rules = SourceRules::default();
        let one = rules.of_peer(address("2001:db8:1:2:3:4:5:6"));
        assert_eq!(one, rules.of_peer(address("2001:db8:1:2:ffff::1")));
        assert_ne!(one, rules.of_peer(address("2001:db8:1:3::1")));
        assert_eq!(shown(one), "2001:db8:1:2::/64");
        assert_eq!(shown(rules.of_peer(address("::ffff:192.0.2.7"))), "192.0.2.7");
    }

    #[test]
    fn forwarded_addresses_count_only_from_trusted_proxies() {
        let rules = SourceRules {
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            ..SourceRules::default()
        };
        let cases = [
            ("192.0.2.1", "203.0.113.9", "192.0.2.1"),
            ("10.1.1.1", "203.0.113.9", "203.0.113.9"),
            ("10.1.1.1", "198.51.100.66, 203.0.113.9, 10.2.2.2", "203.0.113.9"),
            ("10.1.1.1", "203.0.113.9:41234", "203.0.113.9"),
            ("10.1.1.1", "[2001:db8::1]:443", "2001:db8::/64"),
            ("10.1.1.1", "203.0.113.9, nonsense", "none"),
        ];
        for (peer, header, expected) in cases {
            let source = rules.of_request(address(peer), &forwarded(header));
            assert_eq!(shown(source), expected, "{peer} with {header}");
        }
        assert_eq!(rules.of_peer(address("10.1.1.1")), None, "a proxy has no limit of its own");
        let off = SourceRules { limited: false, ..rules };
        assert_eq!(off.of_peer(address("192.0.2.1")), None);
    }
}
