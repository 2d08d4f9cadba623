//! What a user's fields must be, whichever way they come: a row of a file, a request, Genesys.

use std::borrow::Cow;

use sidetone_model::{Adaptor, AgentId, Pii, User, UserStatus, agent_id_of_username};

use crate::characters::{Content, composed, look_alike, unwanted};
use crate::closest::closest;
use crate::columns::COLUMNS;
use crate::fault::{FaultKind, FieldError};

/// The longest field.
///
/// Units: bytes of UTF-8; 1 KiB.
pub const FIELD_BYTES_MAX: usize = 1_024;

/// What no e-mail address holds outside of quotes (RFC 5322, section 3.2.3), but pasted text does:
/// `<ada@customer.example>`, `mailto:ada@…`, two addresses in one field.
const NOT_IN_ADDRESSES: &[char] = &['<', '>', '(', ')', '[', ']', ':', ';', ',', '\\', '"'];

/// The fields of one user as somebody typed them, by the names of the columns.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fields<'a> {
    /// The person's name.
    pub name: &'a str,
    /// The Genesys username.
    pub email: &'a str,
    /// The key; empty for the local part of the username.
    pub telephony_agent_id: &'a str,
    /// Who serves the user.
    pub adaptor: &'a str,
    /// May be empty.
    pub team: &'a str,
    /// May be empty.
    pub supervisor: &'a str,
    /// May be empty.
    pub site: &'a str,
    /// Empty for active.
    pub status: &'a str,
}

impl<'a> Fields<'a> {
    /// Makes a user of them, or names everything that is wrong.
    ///
    /// Blanks around a field do not count, and text is taken in Unicode's composed form (NFC).
    /// Errors: every bad field, in the order of the columns.
    pub fn check(self) -> Result<User, Vec<FieldError>> {
        let mut errors = Vec::new();
        let text = self.in_order().map(|field| composed(field.trim()));
        for (column, field) in COLUMNS.into_iter().zip(&text) {
            check_text(column, field, &mut errors);
        }
        let [name, email, agent, adaptor, team, supervisor, site, status] = text;
        let adaptor = one_of("adaptor", &adaptor, Adaptor::ALL, Adaptor::as_str, &mut errors);
        let agent = check_key(&agent, &email, adaptor, &mut errors);
        let statuses = [UserStatus::Active, UserStatus::Inactive];
        let status = if status.is_empty() {
            Some(UserStatus::Active)
        } else {
            one_of("status", &status, statuses, UserStatus::as_str, &mut errors)
        };
        match (agent, adaptor, status) {
            (Some(agent), Some(adaptor), Some(status)) if errors.is_empty() => Ok(User {
                agent,
                name: Pii::new(name.into_owned()),
                username: Pii::new(email.into_owned()),
                adaptor,
                team: team.into_owned(),
                supervisor: supervisor.to_lowercase(),
                site: site.into_owned(),
                status,
            }),
            _ => {
                let place = |error: &FieldError| COLUMNS.iter().position(|it| *it == error.column);
                errors.sort_by_key(place);
                Err(errors)
            }
        }
    }

    /// Returns the fields of a user who is stored.
    pub fn of(user: &'a User) -> Self {
        Self {
            name: user.name.reveal(),
            email: user.username.reveal(),
            telephony_agent_id: user.agent.as_str(),
            adaptor: user.adaptor.as_str(),
            team: &user.team,
            supervisor: &user.supervisor,
            site: &user.site,
            status: user.status.as_str(),
        }
    }

    /// Returns them in the order of the columns.
    pub fn in_order(&self) -> [&'a str; COLUMNS.len()] {
        [
            self.name,
            self.email,
            self.telephony_agent_id,
            self.adaptor,
            self.team,
            self.supervisor,
            self.site,
            self.status,
        ]
    }

    /// Returns the id that is given, or else the local part of the username.
    pub(crate) fn agent_id(&self) -> Option<AgentId> {
        key(&composed(self.telephony_agent_id.trim()), &composed(self.email.trim()))
    }
}

/// Returns the agent id that a text names, as users are stored: trimmed, in lower case, composed.
pub fn agent_id(text: &str) -> AgentId {
    AgentId::new(composed(text.trim()).to_lowercase())
}

/// Says what is odd about a user who may be stored: calls of Genesys Cloud are matched by the
/// username, and no username there has this form.
pub fn doubts(user: &User) -> Vec<FieldError> {
    let mut doubts = Vec::new();
    if user.adaptor != Adaptor::GenesysCloud {
        return doubts;
    }
    let username = user.username.reveal();
    let mut doubt = |column, value: &str, reason: &str| {
        doubts.push(FieldError::new(column, FaultKind::NeverMatched, value, reason));
    };
    match username.rsplit_once('@') {
        None => doubt(
            "email",
            username,
            "has no @: every Genesys Cloud username is an e-mail address, so no call will be matched to this user",
        ),
        Some((_, "")) => doubt(
            "email",
            username,
            "has nothing after the @: every Genesys Cloud username is an e-mail address",
        ),
        Some((_, _)) => {
            if let Some(reason) = look_alike(user.agent.as_str()) {
                doubt("email", username, reason);
            }
        }
    }
    let derived = agent_id_of_username(username);
    if username.contains('@') && derived.as_ref().is_some_and(|derived| *derived != user.agent) {
        let reason = "is not what precedes the @ of the username, by which calls are matched";
        doubt("telephony_agent_id", user.agent.as_str(), reason);
    }
    doubts
}

fn check_text(column: &'static str, field: &str, errors: &mut Vec<FieldError>) {
    let mut refuse = |kind, reason: &str| errors.push(FieldError::new(column, kind, field, reason));
    if field.len() > FIELD_BYTES_MAX {
        refuse(FaultKind::TooLong, "is longer than 1 KiB (1,024 bytes)");
    }
    let content = match column {
        "name" | "team" | "site" => Content::Words,
        _ => Content::Key,
    };
    if let Some(unwanted) = unwanted(field, content) {
        refuse(FaultKind::UnwantedCharacter, &unwanted.reason());
    }
    if field.is_empty() && ["name", "email"].contains(&column) {
        refuse(FaultKind::Empty, "is empty");
    }
}

/// Returns the key of a user, and names what makes it one that can never match.
fn check_key(
    given: &str,
    email: &str,
    adaptor: Option<Adaptor>,
    errors: &mut Vec<FieldError>,
) -> Option<AgentId> {
    let mut refuse = |column, value: &str, reason: &str| {
        errors.push(FieldError::new(column, FaultKind::NotAnAddress, value, reason));
    };
    if adaptor == Some(Adaptor::GenesysCloud) {
        if let Some(odd) = email.chars().find(|it| NOT_IN_ADDRESSES.contains(it)) {
            refuse(
                "email",
                email,
                &format!("contains {odd}, which is not part of an e-mail address"),
            );
        } else if email.contains(char::is_whitespace) {
            refuse("email", email, "contains a blank, which is not part of an e-mail address");
        }
    }
    let Some(agent) = key(given, email) else {
        if !email.is_empty() {
            refuse("email", email, "has nothing before the @");
        }
        return None;
    };
    let is_known_bad = given.is_empty() && adaptor == Some(Adaptor::GenesysCloud);
    if agent.as_str().contains(char::is_whitespace) && !is_known_bad {
        refuse("telephony_agent_id", agent.as_str(), "contains a blank");
    }
    Some(agent)
}

fn key(given: &str, email: &str) -> Option<AgentId> {
    if given.is_empty() { agent_id_of_username(email) } else { Some(agent_id(given)) }
}

fn one_of<T: Copy, const N: usize>(
    column: &'static str,
    field: &str,
    all: [T; N],
    name: impl Fn(T) -> &'static str,
    errors: &mut Vec<FieldError>,
) -> Option<T> {
    let typed = field.to_lowercase().replace([' ', '_'], "-");
    let found = all.into_iter().find(|one| name(*one) == typed);
    if found.is_none() {
        let names = all.map(name);
        let known = names.join(", ");
        let reason: Cow<'_, str> = match closest(&typed, &names) {
            _ if field.is_empty() => format!("is empty; use one of {known}").into(),
            Some(near) => format!("is none of {known}; did you mean {near}?").into(),
            None => format!("is none of {known}").into(),
        };
        let kind = if field.is_empty() { FaultKind::Empty } else { FaultKind::UnknownValue };
        errors.push(FieldError::new(column, kind, field, &reason));
    }
    found
}
