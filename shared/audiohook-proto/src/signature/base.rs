//! The text that a signature signs, and its MAC.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of an HMAC-SHA256.
pub(super) const MAC_BYTES: usize = 32;

/// Writes the signature base: a line per component, then the member itself, no line feed after.
///
/// Source: RFC 9421, section 2.5.
pub(super) fn signature_base<'a>(
    components: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    member: &str,
) -> Vec<u8> {
    let mut base = Vec::with_capacity(640);
    for (name, value) in components {
        base.push(b'"');
        base.extend_from_slice(name.as_bytes());
        base.extend_from_slice(b"\": ");
        base.extend_from_slice(value);
        base.push(b'\n');
    }
    base.extend_from_slice(b"\"@signature-params\": ");
    base.extend_from_slice(member.as_bytes());
    base
}

/// Returns the HMAC-SHA256 of a base.
pub(super) fn mac(secret: &[u8], base: &[u8]) -> [u8; MAC_BYTES] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(base);
    mac.finalize().into_bytes().into()
}

/// Writes the authority as the client signs it: lower case, a default port left out.
pub(super) fn normal_authority(authority: &str) -> String {
    let lower = authority.trim().to_ascii_lowercase();
    [":443", ":80"]
        .iter()
        .find_map(|port| lower.strip_suffix(port))
        .map_or_else(|| lower.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authority_is_lower_case_without_default_port() {
        for (given, expected) in [
            ("Ingest.Example.NET", "ingest.example.net"),
            ("ingest.example.net:443", "ingest.example.net"),
            ("ingest.example.net:8443", "ingest.example.net:8443"),
            ("localhost:80", "localhost"),
            ("[::1]:8080", "[::1]:8080"),
            ("", ""),
        ] {
            assert_eq!(normal_authority(given), expected);
        }
    }
}
