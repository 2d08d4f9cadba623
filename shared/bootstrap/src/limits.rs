//! The `[limits]` table: what counts as one source of connections.

use ipnet::IpNet;
use serde::{Deserialize, Deserializer};

/// Limits of connections per source, for the door and the API alike.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Bits of an IPv4 address that share one limit; 0 to 32.
    pub ipv4_prefix: u8,
    /// Bits of an IPv6 address that share one limit; 0 to 128.
    pub ipv6_prefix: u8,
    /// Addresses or networks of reverse proxies whose `X-Forwarded-For` is believed.
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self { ipv4_prefix: 32, ipv6_prefix: 64, trusted_proxies: Vec::new() }
    }
}

/// Reads networks; a plain address is a network of one.
fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| network(text).map_err(serde::de::Error::custom)).collect()
}

fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let address = || text.parse().map(|address: std::net::IpAddr| address.into());
    text.parse().or_else(|_| address()).map_err(|_| {
        format!("{text:?} is not an address or network, such as \"10.0.0.0/8\" or \"192.0.2.7\"")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_addresses_or_networks() {
        let text = "trusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\", \"2001:db8::/32\"]";
        let limits: LimitsConfig = toml::from_str(text).unwrap();
        let shown: Vec<String> = limits.trusted_proxies.iter().map(IpNet::to_string).collect();
        assert_eq!(shown, ["127.0.0.1/32", "10.0.0.0/8", "2001:db8::/32"]);
        let error = toml::from_str::<LimitsConfig>("trusted_proxies = [\"proxy.example.net\"]");
        assert!(error.unwrap_err().to_string().contains("such as \"10.0.0.0/8\""));
    }
}
