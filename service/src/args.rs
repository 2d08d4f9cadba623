//! What the program is called with: next to nothing, as all settings are in the environment.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

/// What is asked of the program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// To be the door.
    Run,
    /// To ask the door on this machine whether it lives.
    CheckHealth,
    /// To say something.
    Say(String),
    /// Nothing that it knows.
    Refuse(String),
}

/// Reads the arguments behind the program's name.
pub(crate) fn read(args: impl Iterator<Item = OsString>) -> Wish {
    let args: Vec<OsString> = args.collect();
    let words: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
    match words.iter().map(AsRef::as_ref).collect::<Vec<&str>>()[..] {
        [] => Wish::Run,
        ["healthcheck"] => Wish::CheckHealth,
        ["--version" | "-V"] => Wish::Say(format!("sidetone-door {}\n", env!("CARGO_PKG_VERSION"))),
        ["--help" | "-h" | "help"] => Wish::Say(HELP.to_owned()),
        [first, ..] => Wish::Refuse(format!("sidetone-door: {first:?} is not known; see --help\n")),
    }
}

/// Writes a text and ends with `code`, whoever has stopped listening.
pub(crate) fn say(to: &mut impl Write, text: &str, code: ExitCode) -> ExitCode {
    match to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
        Ok(()) => code,
        Err(_) => ExitCode::FAILURE,
    }
}

const HELP: &str = "\
The AudioHook door as a service on AWS, behind a load balancer that ends TLS.

Usage: sidetone-door               be the door until SIGTERM
       sidetone-door healthcheck   ask the door on this machine whether it lives
       sidetone-door --help | --version

Environment, needed:
  SIDETONE_CALLS_TABLE       DynamoDB table of calls
  SIDETONE_USERS_TABLE       DynamoDB table of users
  SIDETONE_TRACKER_TABLE     DynamoDB table of nonces and leases
  SIDETONE_STREAM            Kinesis stream
  SIDETONE_KEYS_SECRET       ARN of the secret with the AudioHook keys
  AWS_REGION                 and whatever else the AWS SDK reads

Environment, with defaults:
  SIDETONE_PORT              where to listen (8080)
  SIDETONE_PUBLIC_AUTHORITY  host that Genesys dials, if a proxy rewrites it
  SIDETONE_LISTEN            matched, ready or always (matched)
  SIDETONE_ON_HOLD           keep or pause (keep)
  SIDETONE_SESSIONS_MAX      sessions at a time; more are told to come back (2000)
  SIDETONE_TRUSTED_PROXIES   networks of the load balancer, whose X-Forwarded-For is believed;
                             without it no limit applies to a single address (none)
  SIDETONE_DRAIN_SECONDS     from SIGTERM to the end, below 120 (110)
  SIDETONE_LOG               log filter (info)
  SIDETONE_TRACKING          enabled or disabled: also track calls, in turn with whoever else
                             does (disabled)

Environment, needed to track:
  SIDETONE_GENESYS_SECRET    ARN of the secret with the OAuth client
  SIDETONE_GENESYS_REGION    region of Genesys Cloud, such as usw2
  SIDETONE_HOLD_SECONDS      how long one turn is (840)

Paths: /audiohook/ws, /healthz (alive), /readyz (everything behind it can be reached).
On SIGTERM no new session is let in and running calls go on for a while; a second one ends
them at once. Exit codes: 0 ended in order, 1 failed or not alive, 2 wrong arguments or settings.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(args: &[&str]) -> Wish {
        read(args.iter().map(Into::into))
    }

    #[test]
    fn few_words_are_known() {
        assert_eq!(asked(&[]), Wish::Run);
        assert_eq!(asked(&["healthcheck"]), Wish::CheckHealth);
        assert!(
            matches!(asked(&["--version"]), Wish::Say(text) if text.starts_with("sidetone-door 0."))
        );
        assert!(matches!(asked(&["--help"]), Wish::Say(text) if text.contains("SIDETONE_STREAM")));
        for unknown in [&["run"][..], &["healthcheck", "now"], &["--port", "80"]] {
            assert!(matches!(asked(unknown), Wish::Refuse(_)), "{unknown:?}");
        }
    }
}
