//! Whether a request names this machine as its host.
//!
//! A page of a web site whose name resolves to this machine (DNS rebinding) sends its own name.

use std::net::IpAddr;

use http::HeaderMap;
use http::Uri;
use http::header::HOST;
use http::uri::Authority;

/// Returns whether a request names a loopback address, `localhost` or a host that is also
/// `allowed`, once, and in its request line too where that has a host.
pub fn is_addressed_here(headers: &HeaderMap, uri: &Uri, allowed: impl Fn(&str) -> bool) -> bool {
    let mut named = headers.get_all(HOST).iter();
    let (Some(host), None) = (named.next(), named.next()) else { return false };
    let Some(host) = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()) else {
        return false;
    };
    let is_ours = |authority: &Authority| {
        let name = authority.host().trim_end_matches('.');
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        bare.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
            || name.eq_ignore_ascii_case("localhost")
            || allowed(bare)
    };
    is_ours(&host) && uri.authority().is_none_or(is_ours)
}
