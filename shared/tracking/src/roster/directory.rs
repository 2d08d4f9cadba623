//! The join of Genesys users and provisioned users, as a value.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sidetone_model::{
    Adaptor, AgentId, Attribution, GenesysUser, NotOurs, Timestamp, User, UserId, UserStatus,
};

/// How long Genesys is believed that it knows nobody of an id.
const NOBODY_FOR: Duration = Duration::from_secs(300);

/// How long a failed look-up rests.
const FAILED_FOR: Duration = Duration::from_secs(30);

/// How long somebody found by id is believed to be that one: like a listing.
const FOUND_FOR: Duration = Duration::from_secs(3_600);

/// The most looked-up users kept; all are forgotten beyond that, and asked for again.
const LOOK_UPS_KEPT_MAX: usize = 10_000;

/// What came of asking Genesys for one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LookUp {
    /// It is being asked.
    Pending,
    /// It could not be asked.
    Failed { until: Timestamp },
    /// It knows nobody of that id.
    Nobody { until: Timestamp },
    /// Somebody with this telephony agent id, if the username has a local part.
    Found { agent: Option<AgentId>, until: Timestamp },
}

impl LookUp {
    pub(super) fn found(user: &GenesysUser, now: Timestamp) -> Self {
        Self::Found { agent: user.agent(), until: now + FOUND_FOR }
    }

    pub(super) fn nobody(now: Timestamp) -> Self {
        Self::Nobody { until: now + NOBODY_FOR }
    }

    pub(super) fn failed(now: Timestamp) -> Self {
        Self::Failed { until: now + FAILED_FOR }
    }
}

/// Everybody.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    /// Active Genesys users, by id.
    listed: BTreeMap<UserId, Option<AgentId>>,
    /// The same the other way round; more than one is a collision.
    holders: BTreeMap<AgentId, BTreeSet<UserId>>,
    provisioned: BTreeMap<AgentId, (Adaptor, UserStatus)>,
    looked_up: BTreeMap<UserId, LookUp>,
    reported: BTreeSet<AgentId>,
}

impl Directory {
    /// Replaces the Genesys users; returns whether anything changed.
    pub(crate) fn put_listed(&mut self, users: &[GenesysUser]) -> bool {
        let listed: BTreeMap<_, _> = users.iter().map(|user| (user.id, user.agent())).collect();
        if listed == self.listed {
            return false;
        }
        self.holders.clear();
        for (user, agent) in &listed {
            if let Some(agent) = agent {
                self.holders.entry(agent.clone()).or_default().insert(*user);
            }
        }
        self.looked_up.retain(|user, _| !listed.contains_key(user));
        self.listed = listed;
        true
    }

    /// Replaces the provisioned users; returns whether anything changed.
    pub(crate) fn put_provisioned(&mut self, users: &[User]) -> bool {
        let provisioned: BTreeMap<_, _> =
            users.iter().map(|user| (user.agent.clone(), (user.adaptor, user.status))).collect();
        let changed = provisioned != self.provisioned;
        self.provisioned = provisioned;
        changed
    }

    /// Notes what came of a look-up.
    pub(super) fn note(&mut self, user: UserId, look_up: LookUp) {
        if self.looked_up.len() >= LOOK_UPS_KEPT_MAX {
            self.looked_up.clear();
        }
        self.looked_up.insert(user, look_up);
    }

    /// Returns whether Genesys should be asked for a user.
    pub(super) fn is_wanted(&self, user: UserId, now: Timestamp) -> bool {
        match self.looked_up.get(&user) {
            None => !self.listed.contains_key(&user),
            Some(LookUp::Pending) => false,
            Some(
                LookUp::Failed { until } | LookUp::Nobody { until } | LookUp::Found { until, .. },
            ) => *until <= now,
        }
    }

    /// Returns who a user is; nothing if Genesys must be asked first.
    pub(crate) fn attribution(&self, user: UserId, now: Timestamp) -> Option<Attribution> {
        let agent = match (self.listed.get(&user), self.looked_up.get(&user)) {
            (Some(agent), _) => agent.as_ref(),
            (None, _) if self.is_wanted(user, now) => return None,
            (None, Some(LookUp::Found { agent, .. })) => agent.as_ref(),
            (None, Some(LookUp::Nobody { .. })) => None,
            (None, Some(LookUp::Pending | LookUp::Failed { .. }) | None) => {
                return Some(Attribution::NotOurs(NotOurs::LookupFailed));
            }
        };
        let Some(agent) = agent else { return Some(Attribution::NotOurs(NotOurs::UnknownUser)) };
        // Somebody who is not listed may have left; the id is then another's, or nobody's.
        let is_anothers = self
            .holders
            .get(agent)
            .is_some_and(|holders| holders.len() > 1 || !holders.contains(&user));
        Some(if is_anothers {
            Attribution::NotOurs(NotOurs::Collision)
        } else {
            match self.provisioned.get(agent) {
                None => Attribution::NotOurs(NotOurs::UnknownUser),
                Some((Adaptor::GenesysEngage | Adaptor::Avaya | Adaptor::Cisco, _)) => {
                    Attribution::NotOurs(NotOurs::OtherAdaptor)
                }
                Some((Adaptor::GenesysCloud, UserStatus::Inactive)) => {
                    Attribution::NotOurs(NotOurs::Inactive)
                }
                Some((Adaptor::GenesysCloud, UserStatus::Active)) => {
                    Attribution::Ours(agent.clone())
                }
            }
        })
    }

    /// Returns every local part that several Genesys users have, with them.
    pub(super) fn collisions(&self) -> BTreeMap<&AgentId, &BTreeSet<UserId>> {
        self.holders.iter().filter(|(_, holders)| holders.len() > 1).collect()
    }

    /// Returns the collisions that were not returned before.
    pub(super) fn fresh_collisions(&mut self) -> Vec<(AgentId, BTreeSet<UserId>)> {
        let all: Vec<(AgentId, BTreeSet<UserId>)> = self
            .collisions()
            .into_iter()
            .map(|(agent, users)| (agent.clone(), users.clone()))
            .collect();
        let before = std::mem::take(&mut self.reported);
        self.reported = all.iter().map(|(agent, _)| agent.clone()).collect();
        all.into_iter().filter(|(agent, _)| !before.contains(agent)).collect()
    }

    /// Returns whose conversations to follow: agents of ours, and those who would be if their
    /// local part were theirs alone, so that the reason can be told.
    pub(crate) fn followed(&self) -> BTreeSet<UserId> {
        self.holders
            .iter()
            .filter(|(agent, holders)| holders.len() > 1 || self.is_served(agent))
            .flat_map(|(_, holders)| holders.iter().copied())
            .collect()
    }

    /// Returns the agents of ours whom Genesys does not list.
    pub(crate) fn missing(&self) -> BTreeSet<AgentId> {
        self.provisioned
            .keys()
            .filter(|agent| self.is_served(agent) && !self.holders.contains_key(*agent))
            .cloned()
            .collect()
    }

    fn is_served(&self, agent: &AgentId) -> bool {
        self.provisioned.get(agent) == Some(&(Adaptor::GenesysCloud, UserStatus::Active))
    }
}

#[cfg(test)]
mod tests {
    use sidetone_model::Pii;

    use super::*;

    fn id(number: u32) -> UserId {
        format!("6b1e0c52-5a5e-4f0b-9a57-{number:012x}").parse().unwrap()
    }

    fn listed(number: u32, username: &str) -> GenesysUser {
        let name = Pii::new("Invented".to_owned());
        GenesysUser { id: id(number), name, username: Pii::new(username.to_owned()), active: true }
    }

    fn provisioned(agent: &str, adaptor: Adaptor, status: UserStatus) -> User {
        User {
            agent: AgentId::new(agent),
            name: Pii::new("Invented".to_owned()),
            username: Pii::new(format!("{agent}@customer.example")),
            adaptor,
            team: String::new(),
            supervisor: String::new(),
            site: String::new(),
            status,
        }
    }

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis(secs * 1_000)
    }

    fn directory() -> Directory {
        let mut directory = Directory::default();
        directory.put_listed(&[
            listed(1, "Ada@customer.example"),
            listed(2, "bo@customer.example"),
            listed(3, "cy@customer.example"),
            listed(4, "di@customer.example"),
            listed(5, "ann@a.example"),
            listed(6, "Ann@b.example"),
            listed(7, "stranger@customer.example"),
            listed(8, "@customer.example"),
        ]);
        directory.put_provisioned(&[
            provisioned("ada", Adaptor::GenesysCloud, UserStatus::Active),
            provisioned("ann", Adaptor::GenesysCloud, UserStatus::Active),
            provisioned("bo", Adaptor::Avaya, UserStatus::Active),
            provisioned("cy", Adaptor::GenesysCloud, UserStatus::Inactive),
            provisioned("di", Adaptor::GenesysCloud, UserStatus::Active),
        ]);
        directory
    }

    #[test]
    fn s64_a_user_is_the_lower_cased_local_part_of_the_username() {
        let directory = directory();
        let expected = [
            Attribution::Ours(AgentId::new("ada")),
            Attribution::NotOurs(NotOurs::OtherAdaptor),
            Attribution::NotOurs(NotOurs::Inactive),
            Attribution::Ours(AgentId::new("di")),
            Attribution::NotOurs(NotOurs::Collision),
            Attribution::NotOurs(NotOurs::Collision),
            Attribution::NotOurs(NotOurs::UnknownUser),
            Attribution::NotOurs(NotOurs::UnknownUser),
        ];
        for (number, attribution) in (1..).zip(expected) {
            assert_eq!(directory.attribution(id(number), at(0)), Some(attribution), "{number}");
        }
        assert_eq!(directory.followed(), BTreeSet::from([id(1), id(4), id(5), id(6)]));
    }

    #[test]
    fn s64_a_collision_is_reported_once_and_again_when_it_comes_back() {
        let mut directory = directory();
        let both = vec![(AgentId::new("ann"), BTreeSet::from([id(5), id(6)]))];
        assert_eq!(directory.fresh_collisions(), both);
        assert_eq!(directory.fresh_collisions(), []);
        directory.put_listed(&[listed(5, "ann@a.example")]);
        assert_eq!(directory.fresh_collisions(), []);
        assert_eq!(
            directory.attribution(id(5), at(0)),
            Some(Attribution::Ours(AgentId::new("ann")))
        );
        directory.put_listed(&[listed(5, "ann@a.example"), listed(6, "ann@b.example")]);
        assert_eq!(directory.fresh_collisions(), both);
    }

    #[test]
    fn s65_an_unknown_user_is_wanted_once_and_then_rests() {
        let mut directory = directory();
        let ghost = id(99);
        assert_eq!(directory.attribution(ghost, at(0)), None);
        assert!(directory.is_wanted(ghost, at(0)));
        directory.note(ghost, LookUp::Pending);
        assert!(!directory.is_wanted(ghost, at(0)));
        let failed = Some(Attribution::NotOurs(NotOurs::LookupFailed));
        assert_eq!(directory.attribution(ghost, at(0)), failed);

        directory.note(ghost, LookUp::failed(at(0)));
        assert_eq!(directory.attribution(ghost, at(29)), failed);
        assert_eq!(directory.attribution(ghost, at(30)), None);

        directory.note(ghost, LookUp::nobody(at(0)));
        let unknown = Some(Attribution::NotOurs(NotOurs::UnknownUser));
        assert_eq!(directory.attribution(ghost, at(299)), unknown);
        assert_eq!(directory.attribution(ghost, at(300)), None);

        directory.note(ghost, LookUp::found(&listed(99, "eve@customer.example"), at(0)));
        assert_eq!(directory.attribution(ghost, at(1)), unknown);
        directory.put_provisioned(&[provisioned("eve", Adaptor::GenesysCloud, UserStatus::Active)]);
        assert_eq!(
            directory.attribution(ghost, at(1)),
            Some(Attribution::Ours(AgentId::new("eve")))
        );
    }

    #[test]
    fn s64_somebody_not_listed_never_takes_the_name_of_somebody_who_is() {
        let mut directory = directory();
        directory.note(id(99), LookUp::found(&listed(99, "ada@old.example"), at(0)));
        let collision = Some(Attribution::NotOurs(NotOurs::Collision));
        assert_eq!(directory.attribution(id(99), at(0)), collision);
        assert_eq!(
            directory.attribution(id(1), at(0)),
            Some(Attribution::Ours(AgentId::new("ada")))
        );
    }

    #[test]
    fn s66_who_leaves_is_not_followed_and_who_comes_is() {
        let mut directory = directory();
        let mut users = vec![listed(4, "di@customer.example"), listed(9, "eve@customer.example")];
        assert!(directory.put_listed(&users));
        assert!(!directory.put_listed(&users));
        assert_eq!(directory.followed(), BTreeSet::from([id(4)]));
        assert_eq!(directory.missing(), BTreeSet::from([AgentId::new("ada"), AgentId::new("ann")]));
        directory.put_provisioned(&[provisioned("eve", Adaptor::GenesysCloud, UserStatus::Active)]);
        assert_eq!(directory.followed(), BTreeSet::from([id(9)]));
        users.clear();
        directory.put_listed(&users);
        assert_eq!(directory.followed(), BTreeSet::new());
    }
}
