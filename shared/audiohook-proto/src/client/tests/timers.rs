//! Pings, time limits, and what follows when the server misses them.

use std::time::Duration;

use super::bench::{Bench, Deed, call, disconnect, opened, said};
use crate::client::{ClientEvent, ClientInput, ConnectFailure, EndCause, ServerFault};
use crate::wire::{ClientBody, CloseReason, DisconnectReason, ServerBody};

fn pings(bench: &Bench) -> Vec<u64> {
    let pings = bench.texts.iter().filter(|text| text.body.kind() == "ping");
    pings.map(|text| text.position.position().as_millis()).collect()
}

#[test]
fn the_first_ping_comes_after_a_second_the_next_at_once_then_one_every_five() {
    let mut bench = Bench::active(call());
    bench.run_silent(Duration::from_millis(1_000));
    assert_eq!(pings(&bench), [1_000]);
    bench.run_silent(Duration::from_millis(18));
    bench.say(ServerBody::Pong);
    let rtt = Some(Duration::from_millis(18).into());
    assert_eq!(bench.last_body(), &ClientBody::Ping { rtt });
    bench.say(ServerBody::Pong);
    bench.run(Duration::from_secs(12));
    assert_eq!(pings(&bench), [1_000, 1_000, 6_000, 11_000]);
    assert_eq!(bench.last_body(), &ClientBody::Ping { rtt: Some(Duration::ZERO.into()) });
    assert_eq!(bench.events[1], ClientEvent::RoundTrip(Duration::from_millis(18)));
    assert_eq!(bench.faults(), []);
}

#[test]
fn no_opened_in_five_seconds_is_error_408_and_close_and_is_retried() {
    let mut bench = Bench::opening(call());
    bench.run_silent(Duration::from_millis(4_999));
    assert_eq!(bench.deeds(), [said("open", 0)]);
    bench.run_silent(Duration::from_millis(1));
    assert_eq!(bench.deeds(), [said("error", 0), said("close", 0)]);
    assert_eq!(bench.codes(), [408]);
    assert_eq!(bench.last_body(), &ClientBody::Close { reason: Some(CloseReason::Error) });
    bench.say(ServerBody::Closed);
    assert_eq!(bench.end(), Some((EndCause::OpenTimeout, true)));
    assert_eq!(bench.faults(), [ServerFault::OpenTimeout]);
}

#[test]
fn an_opened_that_crosses_the_close_is_no_second_fault() {
    let mut bench = Bench::opening(call());
    bench.run_silent(Duration::from_secs(5));
    bench.say_for(1, opened());
    bench.say(ServerBody::Closed);
    assert_eq!(bench.faults(), [ServerFault::OpenTimeout]);
}

#[test]
fn no_pong_in_five_seconds_is_error_408_and_close() {
    let mut bench = Bench::active(call());
    bench.run_silent(Duration::from_millis(5_999));
    assert_eq!(bench.codes(), [0_u32; 0]);
    bench.run_silent(Duration::from_millis(1));
    assert_eq!(bench.codes(), [408]);
    assert_eq!(bench.faults(), [ServerFault::PongTimeout]);
    bench.say(ServerBody::Closed);
    assert_eq!(bench.end(), Some((EndCause::PongTimeout, false)));
}

#[test]
fn no_closed_in_ten_seconds_is_error_408_and_the_socket_goes() {
    let mut bench = Bench::active(call());
    bench.input(ClientInput::End);
    bench.run_silent(Duration::from_millis(9_999));
    assert_eq!(bench.deeds(), [said("close", 0)]);
    bench.run_silent(Duration::from_millis(1));
    assert_eq!(bench.deeds(), [said("error", 0), Deed::Closed]);
    assert_eq!(bench.end(), Some((EndCause::CloseTimeout, false)));
    assert_eq!(bench.faults(), [ServerFault::CloseTimeout]);
}

#[test]
fn disconnect_is_answered_by_close_and_only_an_error_while_opening_is_retried() {
    use DisconnectReason::{Completed, Error, Rejected, Unauthorized};
    for (reason, while_opening) in
        [(Error, true), (Unauthorized, false), (Completed, false), (Rejected, false)]
    {
        let mut opening = Bench::opening(call());
        let mut active = Bench::active(call());
        for (bench, retry) in [(&mut opening, while_opening), (&mut active, false)] {
            bench.say(disconnect(reason));
            let expected = ClientBody::Close { reason: Some(CloseReason::Disconnect) };
            assert_eq!(bench.last_body(), &expected);
            bench.say(ServerBody::Closed);
            assert_eq!(bench.end(), Some((EndCause::Disconnected(reason), retry)));
            assert_eq!(bench.faults(), []);
        }
    }
}

#[test]
fn no_audio_follows_our_close() {
    let mut bench = Bench::active(call());
    bench.say(disconnect(DisconnectReason::Completed));
    bench.run_silent(Duration::from_secs(9));
    assert_eq!(bench.deeds(), [said("close", 0)]);
    assert_eq!(bench.client.frames_sent(), 0);
}

#[test]
fn an_upgrade_refused_is_not_retried_and_a_broken_connection_is() {
    for (failure, retry) in [
        (ConnectFailure::Refused { status: 401 }, false),
        (ConnectFailure::HostUnavailable, false),
        (ConnectFailure::Broken, true),
        (ConnectFailure::Timeout, true),
    ] {
        let mut bench = Bench::new(call());
        bench.input(ClientInput::ConnectFailed(failure));
        assert_eq!(bench.end(), Some((EndCause::ConnectFailed(failure), retry)));
        assert!(bench.client.is_over());
    }
}

#[test]
fn a_socket_that_the_server_closes_is_a_fault_in_every_state_before_closed() {
    let mut opening = Bench::opening(call());
    opening.input(ClientInput::SocketClosed);
    assert_eq!(opening.end(), Some((EndCause::ConnectionLost, true)));

    let mut active = Bench::active(call());
    active.input(ClientInput::SocketClosed);
    assert_eq!(active.end(), Some((EndCause::ConnectionLost, false)));

    let mut closing = Bench::active(call());
    closing.input(ClientInput::End);
    closing.input(ClientInput::SocketClosed);
    assert_eq!(closing.end(), Some((EndCause::ConnectionLost, false)));

    for bench in [opening, active, closing] {
        assert_eq!(bench.faults(), [ServerFault::ClosedSocketFirst]);
        assert_eq!(bench.client.deadline(), None);
    }

    let mut closed = Bench::active(call());
    closed.input(ClientInput::End);
    closed.say(ServerBody::Closed);
    closed.input(ClientInput::SocketClosed);
    assert_eq!(closed.faults(), []);
}

#[test]
fn an_update_is_answered_by_updated_once() {
    let mut bench = Bench::active(call());
    bench.input(ClientInput::Update { language: "es-US".to_owned() });
    assert_eq!(bench.last_body(), &ClientBody::Update { language: Some("es-US".to_owned()) });
    bench.say(ServerBody::Updated);
    assert_eq!(bench.events.back(), Some(&ClientEvent::Updated));
    assert_eq!(bench.faults(), []);
    bench.say(ServerBody::Updated);
    assert_eq!(bench.faults().len(), 1);
}

#[test]
fn an_update_before_opened_is_told_in_open_or_after_opened() {
    let update = |language: &str| ClientInput::Update { language: language.to_owned() };
    let mut bench = Bench::new(call());
    bench.input(update("es-US"));
    bench.input(ClientInput::SocketOpened);
    let ClientBody::Open(open) = bench.last_body() else { panic!("open") };
    assert_eq!(open.language.as_deref(), Some("es-US"));
    bench.input(update("fr-CA"));
    bench.say(opened());
    assert_eq!(bench.last_body(), &ClientBody::Update { language: Some("fr-CA".to_owned()) });
}

#[test]
fn a_client_told_so_goes_without_close() {
    let mut config = call();
    config.faults.never_closes = true;
    let mut bench = Bench::active(config);
    bench.input(ClientInput::End);
    assert_eq!(bench.deeds(), [Deed::Closed]);
    assert_eq!(bench.end(), Some((EndCause::Abandoned, false)));
}
