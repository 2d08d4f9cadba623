//! Signing in, waiting, repeating, paging.

use sidetone_genesys_sim::Failure;

use super::*;

async fn platform(users: Vec<SimUser>) -> (Clock, Platform, PlatformClient) {
    let clock = Clock::scaled(40.0);
    let platform = Platform::start(config(clock, users)).await.unwrap();
    let client = client(&platform, clock);
    (clock, platform, client)
}

fn status(status: u16) -> Failure {
    Failure::Status { status, retry_after: None }
}

#[tokio::test(start_paused = true)]
async fn s03_s04_one_token_is_asked_for_as_genesys_wants_and_serves_many_calls() {
    let (_, platform, client) = platform(vec![ada()]).await;
    for _ in 0..5 {
        client.users().await.unwrap();
    }
    let both = tokio::join!(client.users(), client.organization());
    assert!(both.0.is_ok() && both.1.is_ok());
    assert_eq!(platform.stats().tokens_issued, 1);
    assert_no_violations(&platform);
}

#[tokio::test(start_paused = true)]
async fn s04_a_token_is_renewed_after_most_of_its_life_and_by_one_caller() {
    let clock = Clock::scaled(40.0);
    let validity = Duration::from_secs(150);
    let config = PlatformConfig { token_validity: validity, ..config(clock, vec![ada()]) };
    let platform = Platform::start(config).await.unwrap();
    let client = client(&platform, clock);
    let begun = clock.now();
    client.users().await.unwrap();
    clock.sleep_until(begun + Duration::from_secs(75)).await;
    client.users().await.unwrap();
    assert_eq!(platform.stats().tokens_issued, 1);
    clock.sleep_until(begun + Duration::from_secs(95)).await;
    let (one, two, three) = tokio::join!(client.users(), client.users(), client.organization());
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    assert_eq!(platform.stats().tokens_issued, 2);
}

#[tokio::test(start_paused = true)]
async fn s05_a_refused_client_is_a_misconfiguration_and_rests() {
    let (clock, platform, _) = platform(vec![]).await;
    let other = "b0a1c2d3-0000-4000-8000-00000000dead";
    let client =
        PlatformClient::new(hosts(&platform), other, Secret::new(CLIENT_SECRET), clock).unwrap();
    let error = client.organization().await.unwrap_err();
    assert!(error.is_misconfiguration());
    assert!(error.to_string().contains("client not found"), "{error}");
    clock.sleep(Duration::from_secs(40)).await;

    let wrong = Secret::new("wrong");
    let client = PlatformClient::new(hosts(&platform), CLIENT_ID, wrong, clock).unwrap();
    let error = client.organization().await.unwrap_err();
    assert!(error.is_misconfiguration());
    assert!(error.to_string().contains("authentication failed"), "{error}");
    let asked = platform.stats().requests;
    assert!(client.organization().await.unwrap_err().is_misconfiguration());
    assert_eq!(platform.stats().requests, asked);
    clock.sleep(Duration::from_secs(121)).await;
    assert!(client.organization().await.unwrap_err().is_misconfiguration());
    assert_eq!(platform.stats().requests, asked + 1);
    assert_no_violations(&platform);
}

#[tokio::test(start_paused = true)]
async fn s06_a_void_token_is_renewed_once_and_the_request_repeated_once() {
    let (_, platform, client) = platform(vec![ada()]).await;
    client.users().await.unwrap();
    platform.revoke_tokens();
    assert_eq!(client.users().await.unwrap().len(), 1);
    assert_eq!(platform.stats().tokens_issued, 2);

    platform.fail_next_at("/users", 2, status(401));
    let asked = platform.stats().requests;
    let error = client.users().await.unwrap_err();
    assert!(matches!(error, PlatformError::Refused { status: 401, .. }), "{error}");
    // Two tries and one sign-in.
    assert_eq!(platform.stats().requests, asked + 3);
    assert_no_violations(&platform);
}

#[tokio::test(start_paused = true)]
async fn s08_the_token_names_the_organization() {
    let (_, _platform, client) = platform(vec![]).await;
    assert_eq!(client.organization().await.unwrap(), organization());
}

#[tokio::test(start_paused = true)]
async fn s09_a_wait_that_genesys_asks_for_is_kept_by_every_request() {
    let (clock, platform, client) = platform(vec![ada()]).await;
    client.users().await.unwrap();
    for (asked, least) in [(Some(Duration::from_secs(42)), 42.0), (None, 3.0)] {
        platform.fail_next_at("/users", 1, Failure::Status { status: 429, retry_after: asked });
        let begun = clock.now();
        let late = async {
            clock.sleep(Duration::from_secs(1)).await;
            client.organization().await
        };
        let (users, organization) = tokio::join!(client.users(), late);
        assert!(users.is_ok() && organization.is_ok());
        assert!(seconds_since(clock, begun) >= least);
    }
    assert_no_violations(&platform);
}

#[tokio::test(start_paused = true)]
async fn s10_a_wait_of_hours_is_said_instead_of_slept() {
    let (clock, platform, client) = platform(vec![ada()]).await;
    let retry_after = Duration::from_secs(3_600);
    platform.fail_next_at(
        "/users",
        1,
        Failure::Status { status: 429, retry_after: Some(retry_after) },
    );
    let begun = clock.now();
    let error = client.users().await.unwrap_err();
    assert!(matches!(error, PlatformError::Throttled { retry_after: it, .. } if it == retry_after));
    assert!(seconds_since(clock, begun) < 60.0);
}

#[tokio::test(start_paused = true)]
async fn s11_what_may_pass_is_tried_again_with_growing_waits_and_nothing_else() {
    let (clock, platform, client) = platform(vec![ada()]).await;
    client.users().await.unwrap();
    for failure in [502, 503, 504] {
        platform.fail_next_at("/users", 2, status(failure));
        let begun = clock.now();
        client.users().await.unwrap();
        assert!(seconds_since(clock, begun) >= 12.0);
    }
    for failure in [400, 403, 404, 409] {
        platform.fail_next_at("/users", 1, status(failure));
        let asked = platform.stats().requests;
        let error = client.users().await.unwrap_err();
        assert!(matches!(error, PlatformError::Refused { .. }), "{error}");
        assert_eq!(platform.stats().requests, asked + 1);
    }
    assert_no_violations(&platform);
}

#[tokio::test(start_paused = true)]
async fn s12_s13_what_fails_for_good_is_reported_with_what_there_is() {
    let (_, platform, client) = platform(vec![ada()]).await;
    platform.fail_next_at("/users", 9, Failure::Html);
    let error = client.users().await.unwrap_err();
    assert!(matches!(error, PlatformError::Unavailable { status: 502, .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn s13_half_an_answer_is_no_answer() {
    let (_, platform, client) = platform(vec![ada()]).await;
    platform.fail_next_at("/users", 1, Failure::HalfJson);
    let error = client.users().await.unwrap_err();
    assert!(matches!(error, PlatformError::Unexpected { .. }), "{error}");
    assert_eq!(client.users().await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn unreachable_host_is_named_without_the_rest_of_its_address() {
    let clock = Clock::scaled(1_000.0);
    let hosts = Hosts::loopback("http://127.0.0.1:1", "http://127.0.0.1:1").unwrap();
    let client = PlatformClient::new(hosts, CLIENT_ID, Secret::new("x"), clock).unwrap();
    let error = client.organization().await.unwrap_err();
    assert!(matches!(error, PlatformError::Unreachable { .. }), "{error}");
    let text = sidetone_ports::chain(&error);
    assert!(text.starts_with("127.0.0.1:1 could not be reached"), "{text}");
    assert!(!text.contains("http://"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn s14_every_page_is_read_and_everybody_comes_once() {
    let users = (0..1_201).map(|number| sim_user(number, &format!("u{number}@customer.example")));
    let (_, platform, client) = platform(users.collect()).await;
    let listed = client.users().await.unwrap();
    assert_eq!(listed.len(), 1_201);
    assert!(listed.windows(2).all(|pair| pair[0].id < pair[1].id));
    assert_no_violations(&platform);
}

#[tokio::test(start_paused = true)]
async fn s15_look_ups_never_have_more_than_a_hundred_ids() {
    let users = (0..250).map(|number| sim_user(number, &format!("u{number}@customer.example")));
    let (_, platform, client) = platform(users.collect()).await;
    let ids: Vec<_> = (0..260).map(user_id).collect();
    assert_eq!(client.users_by_id(&ids).await.unwrap().len(), 250);
    assert_no_violations(&platform);
}

#[tokio::test(start_paused = true)]
async fn s65_one_user_is_found_deleted_ones_too() {
    let mut gone = sim_user(3, "cy@customer.example");
    gone.state = sidetone_genesys_sim::UserState::Deleted;
    let (_, platform, client) = platform(vec![ada(), gone]).await;
    assert_eq!(client.user(user_id(1)).await.unwrap().unwrap().agent(), Some(AgentId::new("ada")));
    assert!(!client.user(user_id(3)).await.unwrap().unwrap().active);
    assert_eq!(client.user(user_id(4)).await.unwrap(), None);
    assert_no_violations(&platform);
}

#[tokio::test(start_paused = true)]
async fn clock_that_is_off_follows_genesys_time_within_a_second_of_each_step() {
    let genesys = Clock::scaled(1.0);
    let platform = Platform::start(config(genesys, vec![ada()])).await.unwrap();
    let clock = genesys.set_apart(40_000_000);
    let stop = CancellationToken::new();
    let following = tokio::spawn(follow_genesys_time(hosts(&platform), clock, stop.clone()));
    let off = || clock.now().micros_after(genesys.now()).abs();
    clock.check();
    for step in [0, -70_000_000, 30_000_000, 30_000_000] {
        clock.step(step);
        assert_eq!(clock.check().is_some(), step != 0);
        clock.sleep(Duration::from_secs(1)).await;
        assert!(off() <= 500_000, "{} µs off after a step of {step}", off());
        clock.sleep(Duration::from_secs(300)).await;
        clock.check();
        assert!(off() <= 250_000, "{} µs off", off());
    }
    stop.cancel();
    following.await.unwrap().unwrap();
    assert_no_violations(&platform);
}
