//! Ports that are still free when somebody comes to listen there.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use rand::RngExt as _;

use crate::error::LocalError;

/// Where ports begin that are nobody's by name.
const LOWEST: u16 = 20_000;
/// Where the system's own choice begins if it does not say so: on Linux.
const CHOSEN_FROM: u16 = 32_768;
/// Where the system says it.
const CHOICE: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// Finds consecutive free ports of this machine, and returns the first with its address.
///
/// Some are listened on only later, and in turn by several programs: so none is among those that
/// the system gives away, to a connection perhaps that lasts as long as the tests.
/// Errors: [`LocalError::Listen`] if there are none.
pub fn free_ports(count: u16) -> Result<SocketAddr, LocalError> {
    const TRIES_MAX: usize = 200;
    let chosen_from = chosen_from();
    // Where the system leaves none, any has to do.
    let below = if chosen_from > LOWEST + count { chosen_from } else { u16::MAX } - count;
    let mut random = rand::rng();
    for _ in 0..TRIES_MAX {
        let first = random.random_range(LOWEST..below);
        let mut listening =
            (first..first + count).map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)));
        if listening.all(|one| one.is_ok()) {
            return Ok((Ipv4Addr::LOCALHOST, first).into());
        }
    }
    Err(LocalError::Listen(std::io::ErrorKind::AddrInUse.into()))
}

/// Returns from where on the system gives ports away.
fn chosen_from() -> u16 {
    let range = std::fs::read_to_string(CHOICE).unwrap_or_default();
    let first = range.split_whitespace().next().and_then(|first| first.parse().ok());
    first.unwrap_or(CHOSEN_FROM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_ports_beside_each_other_that_the_system_gives_to_nobody() {
        let first = free_ports(3).unwrap();
        assert!(first.port() + 2 < chosen_from(), "{first}");
        let held: Vec<_> = (0..3)
            .map(|more| TcpListener::bind((Ipv4Addr::LOCALHOST, first.port() + more)).unwrap())
            .collect();
        assert_eq!(held.len(), 3);
    }
}
