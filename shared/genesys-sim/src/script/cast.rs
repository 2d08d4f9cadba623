//! The people of the simulated organization, all of them invented.

use sidetone_model::{Adaptor, AgentId, Pii, User, UserId, UserStatus, agent_id_of_username};
use uuid::Uuid;

use crate::platform::{SimQueue, SimUser};

/// The queue of all simulated calls.
pub(crate) const QUEUE: Uuid = Uuid::from_u128(0x9d4f_0a10_0000_4000_8000_0000_0000_0e01);

/// The name of that queue.
pub(crate) const QUEUE_NAME: &str = "Simulated queue";

/// What a Genesys user is to Sidetone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Provisioned and listened to.
    Ours,
    /// Provisioned on another telephony platform.
    Elsewhere,
    /// Not provisioned.
    Unknown,
    /// One of two with the same local part.
    Colliding,
}

/// A Genesys user of the simulated organization.
#[derive(Debug, PartialEq, Eq)]
pub struct Person {
    /// The user's id, as call events name it.
    pub id: UserId,
    /// The name.
    pub name: &'static str,
    /// The username, an e-mail address.
    pub username: &'static str,
    /// What the user is to Sidetone.
    pub standing: Standing,
    /// The team.
    pub team: &'static str,
    /// The supervisor's telephony agent id.
    pub supervisor: &'static str,
}

const fn person(
    number: u128,
    name: &'static str,
    username: &'static str,
    standing: Standing,
    team: &'static str,
    supervisor: &'static str,
) -> Person {
    let id = UserId::new(Uuid::from_u128(0x6b1e0c52_5a5e_4f0b_9a57_0d1f3c2b4a00 + number));
    Person { id, name, username, standing, team, supervisor }
}

static EVERYONE: [Person; 12] = [
    person(1, "Ada Ashgrove", "ada.ashgrove@sim.example", Standing::Ours, "Billing", "ines.ivory"),
    person(2, "Bo Birchwood", "Bo.Birchwood@sim.example", Standing::Ours, "Billing", "ines.ivory"),
    person(3, "Cy Cedarholm", "cy.cedarholm@sim.example", Standing::Ours, "Billing", "ines.ivory"),
    person(4, "Dee Dogwood", "dee.dogwood@sim.example", Standing::Ours, "Claims", "jo.juniper"),
    person(5, "Eli Elmhurst", "eli.elmhurst@sim.example", Standing::Ours, "Claims", "jo.juniper"),
    person(6, "Fay Firbank", "fay.firbank@sim.example", Standing::Ours, "Claims", "jo.juniper"),
    person(7, "Gus Gorseland", "gus.gorseland@sim.example", Standing::Ours, "Orders", "ines.ivory"),
    person(8, "Hal Hazelton", "hal.hazelton@sim.example", Standing::Ours, "Orders", "ines.ivory"),
    person(
        9,
        "Kay Kapokfield",
        "kay.kapok@sim.example",
        Standing::Elsewhere,
        "Orders",
        "jo.juniper",
    ),
    person(10, "Lou Larchmont", "lou.larchmont@sim.example", Standing::Unknown, "", ""),
    person(
        11,
        "Max Mapleton",
        "max.mapleton@sim.example",
        Standing::Colliding,
        "Claims",
        "jo.juniper",
    ),
    person(12, "Max Mapleton", "max.mapleton@partner.example", Standing::Colliding, "", ""),
];

/// The people of the simulated organization.
#[derive(Debug, Clone, Copy)]
pub struct Cast;

impl Cast {
    /// Returns everybody whom the simulated users API knows.
    pub fn everyone() -> &'static [Person] {
        &EVERYONE
    }

    /// Returns the same people as the platform's users API is to know them.
    pub fn sim_users() -> Vec<SimUser> {
        EVERYONE.iter().map(Person::sim_user).collect()
    }

    /// Returns the queue of every simulated call, with all of the people in it.
    pub fn sim_queues() -> Vec<SimQueue> {
        let members = EVERYONE.iter().map(|person| (person.id, true)).collect();
        vec![SimQueue { id: QUEUE, name: QUEUE_NAME.to_owned(), members }]
    }

    /// Returns everybody of one standing.
    pub fn of(standing: Standing) -> impl Iterator<Item = &'static Person> {
        EVERYONE.iter().filter(move |person| person.standing == standing)
    }

    /// Returns the users that an administrator would have provisioned, one per agent id.
    ///
    /// Among them one who is served elsewhere, and one whose agent id two Genesys users have.
    pub fn ours() -> Vec<User> {
        let mut users: Vec<User> = Vec::new();
        for person in &EVERYONE {
            let adaptor = match person.standing {
                Standing::Ours | Standing::Colliding => Adaptor::GenesysCloud,
                Standing::Elsewhere => Adaptor::Avaya,
                Standing::Unknown => continue,
            };
            let user = person.user(adaptor);
            if users.iter().all(|other| other.agent != user.agent) {
                users.push(user);
            }
        }
        users
    }
}

impl Person {
    /// Returns the telephony agent id that follows from the username.
    pub fn agent(&self) -> AgentId {
        agent_id_of_username(self.username).expect("invented usernames have a local part")
    }

    /// Returns this person as the platform knows them.
    pub fn sim_user(&self) -> SimUser {
        SimUser::new(self.id, self.username, self.name)
    }

    /// Returns whether Sidetone listens to this person.
    pub fn is_ours(&self) -> bool {
        self.standing == Standing::Ours
    }

    /// Returns this person's place in the cast, by which a voice is chosen.
    pub(super) fn number(&self) -> usize {
        EVERYONE.iter().position(|person| person.id == self.id).unwrap_or(0)
    }

    fn user(&self, adaptor: Adaptor) -> User {
        User {
            agent: self.agent(),
            name: Pii::new(self.name.to_owned()),
            username: Pii::new(self.username.to_owned()),
            adaptor,
            team: self.team.to_owned(),
            supervisor: self.supervisor.to_owned(),
            site: "Simulated".to_owned(),
            status: UserStatus::Active,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_agent_id_is_provisioned_once() {
        let agents: Vec<String> = Cast::ours().iter().map(|user| user.agent.to_string()).collect();
        assert_eq!(agents.len(), 10);
        assert!(agents.contains(&"bo.birchwood".to_owned()));
        assert_eq!(agents.iter().filter(|agent| *agent == "max.mapleton").count(), 1);
        assert!(!agents.contains(&"lou.larchmont".to_owned()));
    }
}
