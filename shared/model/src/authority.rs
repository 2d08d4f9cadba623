//! The host that Genesys dials, as its signature names it.

use std::net::IpAddr;

/// Why a text is no host that Genesys can dial.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} {problem}; expected the host that Genesys dials, such as calls.example.net")]
pub struct AuthorityError {
    text: String,
    problem: &'static str,
}

/// Returns the host, and the port if it is not 443, that Genesys dials, as its signature has it.
///
/// A scheme and a final slash, as people copy them, are removed.
/// Errors: [`AuthorityError`] with the text and an example.
pub fn public_authority(text: &str) -> Result<String, AuthorityError> {
    let wrong = |problem| AuthorityError { text: text.to_owned(), problem };
    let lower = text.trim().to_ascii_lowercase();
    let bare = match lower.split_once("://") {
        Some(("wss" | "https", rest)) => rest,
        Some(_) => return Err(wrong("has another scheme than wss")),
        None => &lower,
    };
    let bare = bare.strip_suffix('/').unwrap_or(bare);
    if bare.is_empty() {
        return Err(wrong("names no host"));
    }
    if bare.contains(['/', '?', '#']) {
        return Err(wrong("has a path, which belongs into public_path_prefix"));
    }
    // The last colon of an IPv6 address is no port's.
    let (host, port) = match bare.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        Some(_) | None => (bare, None),
    };
    if !is_host(host) {
        return Err(wrong("is no host"));
    }
    match port.map(str::parse::<u16>) {
        None | Some(Ok(443)) => Ok(host.to_owned()),
        Some(Ok(0) | Err(_)) => Err(wrong("has no port between 1 and 65535")),
        Some(Ok(port)) => Ok(format!("{host}:{port}")),
    }
}

fn is_host(text: &str) -> bool {
    if let Some(address) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return address.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6());
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authority_with_scheme_slash_or_usual_port_is_normalised() {
        for text in [
            "calls.example.net",
            "wss://calls.example.net",
            "https://calls.example.net/",
            "WSS://Calls.Example.Net/",
            "calls.example.net/",
            " Calls.Example.NET:443\n",
        ] {
            assert_eq!(public_authority(text).as_deref(), Ok("calls.example.net"), "{text}");
        }
        assert_eq!(public_authority("a.example:08443").as_deref(), Ok("a.example:8443"));
        assert_eq!(public_authority("[::1]:8443").as_deref(), Ok("[::1]:8443"));
    }

    #[test]
    fn authority_that_no_client_can_dial_is_refused_with_an_example() {
        for text in [
            "",
            " ",
            "wss://",
            "calls.example.net/audiohook/ws",
            "calls.example.net?a=b",
            "calls.example.net:",
            "calls.example.net:0",
            "calls.example.net:99999",
            "http://calls.example.net",
            "ws://calls.example.net",
            "u@a.example",
            "a b",
            "a..b",
            "-",
            "[calls]",
            "b\u{fc}cher.example",
        ] {
            let error = public_authority(text).unwrap_err().to_string();
            assert!(error.ends_with("such as calls.example.net"), "{error}");
        }
    }
}
