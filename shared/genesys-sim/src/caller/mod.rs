//! The AudioHook client on real sockets: what Genesys Cloud does to a server.
//!
//! The protocol is in `audiohook-proto`; here are the socket, the signature, the clock and
//! the samples. Breaks the protocol only where a plan says so.
//! Source: audiohook.md, sections 1.2 to 1.5 and 10.

mod account;
mod connect;
mod live;
mod plan;
mod relay;
mod report;
mod target;

use sidetone_audiohook_proto::{ClientInput, ClientSession, EndCause};
use sidetone_ports::Clock;
use tokio_util::sync::CancellationToken;

pub use plan::{CallerPlan, Cue, Deed};
pub use relay::Relay;
pub use report::{CallerReport, LOG_ENTRIES_MAX, LogEntry};
pub use target::{Target, TargetError};

use self::account::Account;
use self::live::Live;

/// What frames hold that a client sends although it has said `paused`.
///
/// It must be found nowhere behind the socket.
pub const PAUSED_MARKER: &[u8] = b"SIDETONE-MUST-NEVER-KEEP-THIS-CARD-NUMBER-4111111111111111;";

/// Plays one session to its end, retries included, and tells what came of it.
///
/// `stop` ends the stream early, in the way in which a hang-up would.
pub async fn call(
    clock: Clock,
    target: &Target,
    plan: CallerPlan,
    stop: CancellationToken,
) -> CallerReport {
    let mut account = Account::new(&plan);
    for attempt in 0.. {
        let wait = if attempt == 0 {
            plan.connects_at.since(clock.steady())
        } else {
            // The policy has one, or the loop would have ended.
            plan.retries.wait_before(attempt).unwrap_or_default()
        };
        if stop.run_until_cancelled(clock.sleep(wait)).await.is_none() {
            account.ended(EndCause::ConnectionLost);
            break;
        }
        let session = ClientSession::new(plan.begins, plan.config.clone());
        account.attempt_begins();
        let mut live = Live::new(clock, &plan, session, &mut account, target.relay());
        match connect::connect(&clock, target, &plan.config, attempt).await {
            Ok(socket) => live.run(socket, &stop).await,
            Err(failure) => live.refused(ClientInput::ConnectFailed(failure)),
        }
        let again = account.wants_retry && plan.retries.wait_before(attempt + 1).is_some();
        if !again || stop.is_cancelled() {
            break;
        }
    }
    account.close()
}

#[cfg(test)]
pub(crate) mod test_door;
#[cfg(test)]
mod tests;
