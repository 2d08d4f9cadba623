//! The closed table of Genesys Cloud regions, and what people type for them.
//!
//! Refuses every host that is not in the table: the client secret is sent there.
//! Source: docs/wire/notification.md, "Regions".

use crate::error::UnknownRegion;

/// One Genesys Cloud region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// What Genesys calls it.
    pub location: &'static str,
    /// The AWS region it runs in.
    pub aws: &'static str,
    /// The base domain of all its hosts.
    pub domain: &'static str,
    /// The short code.
    pub code: &'static str,
}

const fn region(
    location: &'static str,
    aws: &'static str,
    domain: &'static str,
    code: &'static str,
) -> Region {
    Region { location, aws, domain, code }
}

/// Every region there is.
pub const REGIONS: [Region; 18] = [
    region("Americas (US East)", "us-east-1", "mypurecloud.com", "use1"),
    region("US East 2 (FedRAMP)", "us-east-2", "use2.us-gov-pure.cloud", "use2"),
    region("US West (Oregon)", "us-west-2", "usw2.pure.cloud", "usw2"),
    region("Canada", "ca-central-1", "cac1.pure.cloud", "cac1"),
    region("Mexico", "mx-central-1", "mxc1.pure.cloud", "mxc1"),
    region("South America (São Paulo)", "sa-east-1", "sae1.pure.cloud", "sae1"),
    region("EMEA (Dublin)", "eu-west-1", "mypurecloud.ie", "euw1"),
    region("EMEA (London)", "eu-west-2", "euw2.pure.cloud", "euw2"),
    region("EMEA (Frankfurt)", "eu-central-1", "mypurecloud.de", "euc1"),
    region("EMEA (Zurich)", "eu-central-2", "euc2.pure.cloud", "euc2"),
    region("Middle East (UAE)", "me-central-1", "mec1.pure.cloud", "mec1"),
    region("Asia Pacific (Mumbai)", "ap-south-1", "aps1.pure.cloud", "aps1"),
    region("Asia Pacific (Tokyo)", "ap-northeast-1", "mypurecloud.jp", "apne1"),
    region("Asia Pacific (Seoul)", "ap-northeast-2", "apne2.pure.cloud", "apne2"),
    region("Asia Pacific (Osaka)", "ap-northeast-3", "apne3.pure.cloud", "apne3"),
    region("Asia Pacific (Singapore)", "ap-southeast-1", "apse1.pure.cloud", "apse1"),
    region("Asia Pacific (Sydney)", "ap-southeast-2", "mypurecloud.com.au", "apse2"),
    region(
        "AWS European Sovereign Cloud (Germany)",
        "eusc-de-east-1",
        "edee1.eusc-pure.cloud",
        "edee1",
    ),
];

/// Labels that may precede the base domain in what people paste.
const LABELS: [&str; 5] = ["api.", "login.", "apps.", "streaming.", "app."];

impl Region {
    /// Finds the region that a person means: a code, an AWS region with `-` or `_`, a host,
    /// or a whole URL of that region.
    ///
    /// Errors: [`UnknownRegion`] for anything else, however alike it looks.
    pub fn resolve(typed: &str) -> Result<&'static Self, UnknownRegion> {
        let text = typed.trim().to_ascii_lowercase().replace('_', "-");
        let host = host_of(&text)?;
        let host = LABELS.iter().find_map(|label| host.strip_prefix(label)).unwrap_or(host);
        REGIONS.iter().find(|region| region.is_named(host)).ok_or(UnknownRegion)
    }

    /// Returns the base address of the platform API, without a final slash.
    pub fn api_url(&self) -> String {
        format!("https://api.{}", self.domain)
    }

    /// Returns the base address of the login service, without a final slash.
    pub fn login_url(&self) -> String {
        format!("https://login.{}", self.domain)
    }

    /// Returns whether a host may serve this region's notification sockets.
    pub fn serves(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        host.strip_suffix(self.domain).is_some_and(|label| label.ends_with('.'))
    }

    fn is_named(&self, name: &str) -> bool {
        let code = name.strip_prefix("prod-").unwrap_or(name);
        // The regions that are older than `pure.cloud` have aliases there in some lists.
        let alias = name.strip_suffix(".pure.cloud");
        name == self.domain
            || name == self.aws
            || code == self.code
            || alias == Some(self.code) && self.domain.starts_with("mypurecloud.")
            || name == "prod" && self.code == "use1"
    }
}

/// Cuts scheme, path and port off.
fn host_of(text: &str) -> Result<&str, UnknownRegion> {
    let rest = text.strip_prefix("https://").unwrap_or(text);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = match authority.split_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        Some(_) => return Err(UnknownRegion),
        None => authority,
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
    if host.is_empty() || !host.bytes().all(plain) { Err(UnknownRegion) } else { Ok(host) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s01_every_region_is_found_by_each_of_its_names() {
        for region in &REGIONS {
            for typed in [
                region.code.to_owned(),
                format!("prod-{}", region.code),
                region.aws.to_owned(),
                region.aws.replace('-', "_"),
                region.domain.to_ascii_uppercase(),
                format!("https://api.{}/", region.domain),
                format!("https://apps.{}/#/admin", region.domain),
                format!(" login.{}:443 ", region.domain),
            ] {
                assert_eq!(Region::resolve(&typed), Ok(region), "{typed}");
            }
        }
        assert_eq!(Region::resolve("prod").unwrap().domain, "mypurecloud.com");
        assert_eq!(Region::resolve("euc1.pure.cloud").unwrap().domain, "mypurecloud.de");
    }

    #[test]
    fn s01_the_spellings_of_the_customer_form_give_the_same_hosts() {
        for typed in ["us_west_2", "usw2", "https://api.usw2.pure.cloud/"] {
            let region = Region::resolve(typed).unwrap();
            assert_eq!(region.api_url(), "https://api.usw2.pure.cloud");
            assert_eq!(region.login_url(), "https://login.usw2.pure.cloud");
        }
    }

    #[test]
    fn s02_sydney_is_not_virginia() {
        assert_eq!(Region::resolve("mypurecloud.com.au").unwrap().code, "apse2");
        assert_eq!(Region::resolve("api.mypurecloud.com.au").unwrap().code, "apse2");
        assert_eq!(Region::resolve("mypurecloud.com").unwrap().code, "use1");
    }

    #[test]
    fn s02_what_only_looks_like_a_region_is_refused() {
        for typed in [
            "",
            " ",
            "usw3",
            "usw3.pure.cloud",
            "mypurecloud.com.evil.com",
            "https://evil.com/usw2.pure.cloud",
            "https://usw2.pure.cloud@evil.com/",
            "usw2.pure.cloud.",
            "xusw2.pure.cloud",
            "api.api.usw2.pure.cloud",
            "evil.usw2.pure.cloud",
            "usw2.pure.cloud:evil",
            "usw2.pure.cloud\\@evil.com",
            "usw2.pure.clоud",
            "http://usw2.pure.cloud",
            "inindca.com",
        ] {
            assert_eq!(Region::resolve(typed), Err(UnknownRegion), "{typed}");
        }
    }

    #[test]
    fn a_socket_is_opened_only_within_the_region() {
        let region = Region::resolve("usw2").unwrap();
        assert!(region.serves("streaming.usw2.pure.cloud"));
        for host in ["streaming.usw2.pure.cloud.evil.com", "evilusw2.pure.cloud", "usw2.pure.cloud"]
        {
            assert!(!region.serves(host), "{host}");
        }
    }
}
