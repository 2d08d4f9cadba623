//! How a process' file descriptors are divided, so that no listener takes those of another part.

/// Descriptors that store, stream, recorder, trackers and the runtime use beside connections.
const RESERVED_MIN: u64 = 96;

/// How many descriptors each part may use.
///
/// The rest stays free for databases, recordings and connections to Genesys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// Sessions that carry calls.
    pub sessions: usize,
    /// Connections of the door that are not sessions yet.
    pub handshakes: usize,
    /// Clients of the door that are being turned away.
    pub turnaways: usize,
    /// Connections of the users API.
    pub api: usize,
}

impl Shares {
    /// Divides a limit of open files (`RLIMIT_NOFILE`): a tenth to handshakes, a twentieth each
    /// to turned-away clients and the API, the rest to sessions.
    pub fn of(open_files_max: u64) -> Self {
        let reserved = RESERVED_MIN.max(open_files_max / 16).min(open_files_max / 2);
        let free = usize::try_from(open_files_max - reserved).unwrap_or(usize::MAX);
        let handshakes = (free / 10).max(1);
        let twentieth = (free / 20).max(1);
        let sessions = free.saturating_sub(handshakes + 2 * twentieth).max(1);
        Self { sessions, handshakes, turnaways: twentieth, api: twentieth }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_together_leave_descriptors_to_the_recorder() {
        for open_files_max in [64, 300, 1_024, 65_536, 1_048_576, u64::MAX] {
            let shares = Shares::of(open_files_max);
            let taken = [shares.sessions, shares.handshakes, shares.turnaways, shares.api];
            let taken: u128 = taken.into_iter().map(|share| share as u128).sum();
            let reserved = RESERVED_MIN.min(open_files_max / 2);
            assert!(taken + u128::from(reserved) <= u128::from(open_files_max), "{shares:?}");
        }
        let shares = Shares::of(300);
        assert_eq!((shares.sessions, shares.handshakes, shares.api), (164, 20, 10));
    }
}
