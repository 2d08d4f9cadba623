//! Provisioned users: all or none of a file, and no organization sees another's.

use sidetone_model::{Adaptor, AgentId, Pii, User, UserStatus};
use sidetone_ports::UserStore;

use super::{RACERS, done};
use crate::fresh::fresh_organization;

/// Checks a [`UserStore`]. Panics where it falls short.
pub async fn user_store<S: UserStore>(store: S) {
    users_are_added_and_replaced(&store).await;
    organizations_do_not_see_each_other(&store).await;
    a_reader_sees_all_of_a_file_or_none(&store).await;
}

fn user(agent: &str, team: &str) -> User {
    User {
        agent: AgentId::new(agent),
        name: Pii::new(format!("Invented {agent}")),
        username: Pii::new(format!("{agent}@customer.example")),
        adaptor: Adaptor::GenesysCloud,
        team: team.into(),
        supervisor: "grace.example".into(),
        site: String::new(),
        status: UserStatus::Active,
    }
}

async fn users_are_added_and_replaced<S: UserStore>(store: &S) {
    let organization = fresh_organization();
    let ada = user("ada.example", "billing");
    let found = store.user(organization, &ada.agent).await;
    assert_eq!(done("finding a user", found), None, "nobody is provisioned at first");
    done("putting nobody", store.put_users(organization, &[]).await);
    let zoe = user("zoe.example", "billing");
    done("putting users", store.put_users(organization, &[zoe.clone(), ada.clone()]).await);
    assert_eq!(
        done("listing users", store.users(organization).await),
        [ada.clone(), zoe.clone()],
        "all users must be listed, in order of agent id"
    );
    let moved = User { adaptor: Adaptor::Avaya, status: UserStatus::Inactive, ..ada };
    done("moving a user", store.put_users(organization, std::slice::from_ref(&moved)).await);
    assert_eq!(
        done("finding a user", store.user(organization, &moved.agent).await),
        Some(moved.clone()),
        "a user put again must be replaced whole"
    );
    assert_eq!(
        done("listing users", store.users(organization).await),
        [moved, zoe],
        "and nobody else"
    );
}

async fn organizations_do_not_see_each_other<S: UserStore>(store: &S) {
    let (ours, theirs) = (fresh_organization(), fresh_organization());
    let ada = user("ada.example", "billing");
    done("putting users", store.put_users(ours, std::slice::from_ref(&ada)).await);
    assert_eq!(
        done("finding a user", store.user(theirs, &ada.agent).await),
        None,
        "a user of one organization must not be found in another"
    );
    assert!(
        done("listing users", store.users(theirs).await).is_empty(),
        "a user of one organization must not be listed in another"
    );
    let namesake = user("ada.example", "sales");
    done("putting users", store.put_users(theirs, &[namesake]).await);
    assert_eq!(
        done("finding a user", store.user(ours, &ada.agent).await),
        Some(ada),
        "the same agent id elsewhere must not replace ours"
    );
}

async fn a_reader_sees_all_of_a_file_or_none<S: UserStore>(store: &S) {
    let organization = fresh_organization();
    let file = |team: &str| {
        (0..40).map(|number| user(&format!("agent{number:03}"), team)).collect::<Vec<_>>()
    };
    let mut writers = Vec::new();
    for writer in 0..RACERS {
        let (store, users) = (store.clone(), file(&format!("team {writer}")));
        writers.push(tokio::spawn(async move {
            done("putting a file", store.put_users(organization, &users).await);
        }));
    }
    for _ in 0..RACERS {
        let listed = done("listing users", store.users(organization).await);
        assert!(
            listed.is_empty() || listed.len() == 40,
            "a file is there whole or not at all, got {} of 40 users",
            listed.len()
        );
        if let Some(first) = listed.first() {
            let mixed = listed.iter().find(|user| user.team != first.team);
            assert!(mixed.is_none(), "two files must not mix");
        }
        tokio::task::yield_now().await;
    }
    for writer in writers {
        writer.await.expect("a writer does not panic");
    }
}
