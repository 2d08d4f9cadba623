//! Who there is, and who of them is meant, however the lists shift and fail.

use std::collections::BTreeSet;
use std::sync::Mutex;

use sidetone_genesys_sim::{Failure, SimDivision, SimGroup, SimQueue, UserState};
use sidetone_model::People;

use super::*;
use crate::{PeopleError, PeopleScope, Step};

/// More than one page of users.
const MANY: u32 = 1_200;

fn many() -> Vec<SimUser> {
    (1..=MANY).map(|number| sim_user(number, &format!("agent{number}@customer.example"))).collect()
}

async fn started(alter: impl FnOnce(&mut PlatformConfig)) -> (Platform, PlatformClient) {
    let clock = Clock::scaled(40.0);
    let mut config = config(clock, many());
    alter(&mut config);
    let platform = Platform::start(config).await.unwrap();
    let client = client(&platform, clock);
    (platform, client)
}

async fn everybody(client: &PlatformClient) -> Result<People, PeopleError> {
    client.people(organization(), &PeopleScope::default(), &|_| {}).await
}

fn ids(people: &People) -> BTreeSet<UserId> {
    people.listed.iter().map(|user| user.id).collect()
}

fn named(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn s14_somebody_who_comes_while_pages_are_read_is_listed_once_and_hides_nobody() {
    let (platform, client) = started(|_| {}).await;
    // Before everybody else: the last of the first page is the first of the second, too.
    platform.put_user_behind_page(SimUser::new(user_id(0), "first@customer.example", "First"));
    let people = everybody(&client).await.unwrap();
    assert_eq!(people.listed.len(), MANY as usize + 1);
    assert_eq!(ids(&people), (0..=MANY).map(user_id).collect());
    assert_eq!(people.meant, None);
    assert_no_violations(&platform);
}

#[tokio::test(start_paused = true)]
async fn s14_somebody_who_goes_while_pages_are_read_hides_nobody() {
    let (platform, client) = started(|_| {}).await;
    // The first of the second page is on the first by then, which was read.
    platform.put_user_behind_page(SimUser { state: UserState::Deleted, ..sim_user(1, "x@x") });
    let people = everybody(&client).await.unwrap();
    assert!(ids(&people).is_superset(&(2..=MANY).map(user_id).collect()));
    let asked = platform.stats().requests;
    assert_eq!(ids(&everybody(&client).await.unwrap()), (2..=MANY).map(user_id).collect());
    assert_eq!(platform.stats().requests - asked, 4, "what does not shift is read once");
    assert_no_violations(&platform);
}

#[tokio::test(start_paused = true)]
async fn s14_names_come_with_usernames_and_only_active_users_count() {
    let clock = Clock::scaled(40.0);
    let away = SimUser { state: UserState::Inactive, ..sim_user(2, "bo@customer.example") };
    let gone = SimUser { state: UserState::Deleted, ..sim_user(3, "cy@customer.example") };
    let no_username = SimUser { username: String::new(), ..sim_user(4, "di@customer.example") };
    let no_username = SimUser { email: "di@old.example".to_owned(), ..no_username };
    let users = vec![ada(), away, gone, no_username];
    let platform = Platform::start(config(clock, users)).await.unwrap();
    let people = everybody(&client(&platform, clock)).await.unwrap();
    let told: Vec<_> = people
        .listed
        .iter()
        .map(|user| (user.name.reveal().as_str(), user.username.reveal().as_str()))
        .collect();
    let expected = ["Ada@customer.example", "di@old.example"];
    assert_eq!(told, expected.map(|username| ("Invented Person", username)));
}

#[tokio::test(start_paused = true)]
async fn queues_groups_and_divisions_say_together_who_is_meant() {
    let (claims, away) = (Uuid::from_u128(0xd1), Uuid::from_u128(0xd2));
    let (platform, client) = started(|config| {
        let members = (1..=150).map(|number| (user_id(number), number % 2 == 0)).collect();
        config.queues =
            vec![SimQueue { id: Uuid::from_u128(7), name: "Billing".to_owned(), members }];
        let members = (140..=400).map(user_id).collect();
        config.groups =
            vec![SimGroup { id: Uuid::from_u128(8), name: "Night".to_owned(), members }];
        config.divisions.extend(
            [(claims, "Claims"), (away, "Away")]
                .map(|(id, name)| SimDivision { id, name: name.to_owned() }),
        );
        for user in &mut config.users[990..1_000] {
            user.division = claims;
        }
    })
    .await;
    let steps = Mutex::new(Vec::new());
    let scope = PeopleScope {
        queues: named(&["billing"]),
        groups: named(&[&Uuid::from_u128(8).to_string()]),
        divisions: named(&["CLAIMS", "Away"]),
    };
    let watch = |step: Step| steps.lock().unwrap().push((step.done, step.of));
    let people = client.people(organization(), &scope, &watch).await.unwrap();
    let meant: BTreeSet<UserId> = (1..=400).chain(991..=1_000).map(user_id).collect();
    assert_eq!(people.meant.as_ref(), Some(&meant));
    assert_eq!((people.listed.len(), people.meant().count()), (MANY as usize, meant.len()));
    let many = MANY as usize;
    let expected = [(0, 2), (1, 2), (500, many), (1_000, many), (many, many)];
    assert_eq!(*steps.lock().unwrap(), expected);

    let nobody = PeopleScope { divisions: named(&["Away"]), ..PeopleScope::default() };
    let people = client.people(organization(), &nobody, &|_| {}).await.unwrap();
    assert_eq!((people.listed.len(), people.meant().count()), (many, 0));
    for (scope, words) in [
        (PeopleScope { queues: named(&["x"]), ..PeopleScope::default() }, "no queue is called x"),
        (PeopleScope { groups: named(&["x"]), ..PeopleScope::default() }, "no group is called x"),
        (
            PeopleScope { divisions: named(&["x"]), ..PeopleScope::default() },
            "no division is called x",
        ),
    ] {
        let error = client.people(organization(), &scope, &|_| {}).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
    assert_no_violations(&platform);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_whole_is_an_error() {
    let (platform, client) = started(|config| {
        config.groups = vec![SimGroup {
            id: Uuid::from_u128(8),
            name: "Night".to_owned(),
            members: vec![user_id(1)],
        }];
        config.missing_permissions =
            ["directory:group:view", "authorization:division:view"].map(str::to_owned).into();
    })
    .await;
    for scope in [
        PeopleScope { groups: named(&["Night"]), ..PeopleScope::default() },
        PeopleScope { divisions: named(&["Home"]), ..PeopleScope::default() },
    ] {
        let error = client.people(organization(), &scope, &|_| {}).await.unwrap_err();
        assert!(matches!(&error, PeopleError::Platform(it) if it.is_forbidden()), "{error:?}");
    }
    // A rest that Genesys asks for is kept, and then everybody is read.
    let throttled = Failure::Status { status: 429, retry_after: Some(Duration::from_secs(9)) };
    platform.fail_next_at("/users", 1, throttled);
    assert_eq!(everybody(&client).await.unwrap().listed.len(), MANY as usize);
    platform.fail_next_at("/users", 1, Failure::HalfJson);
    let half = everybody(&client).await.unwrap_err();
    assert!(matches!(half, PeopleError::Platform(PlatformError::Unexpected { .. })), "{half:?}");
    let other: OrganizationId = "1f0e0d0c-0b0a-4908-8706-050403020100".parse().unwrap();
    let others = client.people(other, &PeopleScope::default(), &|_| {}).await.unwrap_err();
    let expected = matches!(others, PeopleError::Platform(PlatformError::OtherOrganization { .. }));
    assert!(expected, "{others:?}");
    assert_no_violations(&platform);
}

#[tokio::test(start_paused = true)]
async fn a_role_that_sees_nobody_is_not_an_organization_without_people() {
    let clock = Clock::scaled(40.0);
    let platform = Platform::start(config(clock, vec![])).await.unwrap();
    let error = everybody(&client(&platform, clock)).await.unwrap_err();
    assert!(matches!(error, PeopleError::Nobody), "{error:?}");
}
