//! Groups, divisions, and lists that shift.

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::{Platform, SimDivision, SimGroup, SimUser, UserState};
use super::client::{Client, breaches, config, platform, user};

fn ids(body: &Value) -> Vec<&str> {
    let entities = body["entities"].as_array().expect("a list").iter();
    entities.map(|one| one["id"].as_str().expect("a text")).collect()
}

#[tokio::test(start_paused = true)]
async fn groups_and_divisions_are_listed_to_those_who_may() {
    let lisbon = Uuid::from_u128(0x11);
    let mut config = config(120, 1.0);
    let everybody = config.users.iter().map(|user| user.id).collect();
    config.groups =
        vec![SimGroup { id: Uuid::from_u128(8), name: "Night".to_owned(), members: everybody }];
    config.divisions.push(SimDivision { id: lisbon, name: "Lisbon".to_owned() });
    config.users[1].division = lisbon;
    config.users[2].state = UserState::Deleted;
    let refused = {
        let missing = ["directory:group:view", "authorization:division:view"].map(str::to_owned);
        let mut config = config.clone();
        config.missing_permissions = missing.into();
        Platform::start(config).await.expect("a free port")
    };
    let platform = Platform::start(config).await.expect("a free port");
    let client = Client::signed_in(&platform).await;
    let (_, groups) = client.get("/api/v2/groups").await;
    assert_eq!((&groups["total"], &groups["entities"][0]["name"]), (&json!(1), &json!("Night")));
    let members = format!("/api/v2/groups/{}/members?pageSize=100", Uuid::from_u128(8));
    let (_, page) = client.get(&members).await;
    assert_eq!((ids(&page).len(), &page["total"]), (100, &json!(119)), "deleted users are gone");
    let (_, rest) = client.get(page["nextUri"].as_str().expect("a second page")).await;
    assert_eq!(ids(&rest).len(), 19);
    let (_, divisions) = client.get("/api/v2/authorization/divisions").await;
    assert_eq!(divisions["entities"][1]["name"], "Lisbon");
    let (_, users) = client.get("/api/v2/users?pageSize=2").await;
    let of = |place: usize| &users["entities"][place]["division"]["name"];
    assert_eq!((of(0), of(1)), (&json!("Home"), &json!("Lisbon")));
    let (status, nobody) = client.get(&format!("/api/v2/groups/{lisbon}/members")).await;
    assert_eq!((status, &nobody["code"]), (404, &json!("general.resource.not.found")));
    assert_eq!(
        (breaches(&platform), client.get("/api/v2/groups?pageSize=101").await.0),
        (vec![], 400)
    );

    let client = Client::signed_in(&refused).await;
    for path in ["/api/v2/groups", &members, "/api/v2/authorization/divisions"] {
        let (status, body) = client.get(path).await;
        assert_eq!((status, &body["code"]), (403, &json!("missing.permissions")), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_or_goes_behind_a_page_shifts_the_next_one() {
    let platform = platform(4).await;
    let client = Client::signed_in(&platform).await;
    let known: Vec<String> = (0..=4).map(|number| user(number).id.to_string()).collect();
    platform.put_user_behind_page(user(0));
    platform.put_user_behind_page(SimUser { state: UserState::Inactive, ..user(1) });
    let page = async |number: usize| {
        let path = format!("/api/v2/users?pageSize=2&pageNumber={number}");
        client.get(&path).await.1
    };
    assert_eq!(ids(&page(1).await), [&known[1], &known[2]]);
    assert_eq!(ids(&page(2).await), [&known[2], &known[3]], "somebody came before them");
    assert_eq!(ids(&page(2).await), [&known[3], &known[4]], "and somebody went");
}
