//! What a user's fields must be, whichever way they come: a row of a file, a request, Genesys.

use sidetone_model::{Adaptor, AgentId, Pii, User, UserStatus, agent_id_of_username};

use crate::columns::COLUMNS;

/// The longest field.
///
/// Units: bytes of UTF-8; 1 KiB.
pub const FIELD_BYTES_MAX: usize = 1_024;

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

/// One bad field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{column}: {reason}")]
pub struct FieldError {
    /// Which, by the name of its column.
    pub column: &'static str,
    /// What is wrong, and what would be right; never what stood there.
    pub reason: String,
}

impl<'a> Fields<'a> {
    /// Makes a user of them, or names everything that is wrong.
    ///
    /// Blanks around a field do not count.
    /// Errors: every bad field, in the order of the columns.
    pub fn check(self) -> Result<User, Vec<FieldError>> {
        let mut errors = Vec::new();
        for (column, field) in COLUMNS.into_iter().zip(self.in_order()) {
            let mut refuse = |reason: &str| {
                errors.push(FieldError { column, reason: reason.to_owned() });
            };
            if field.len() > FIELD_BYTES_MAX {
                refuse("is longer than 1 KiB (1,024 bytes)");
            }
            if field.trim().chars().any(char::is_control) {
                refuse("holds a control character");
            }
            if field.trim().is_empty() && ["name", "email"].contains(&column) {
                refuse("is empty");
            }
        }
        let agent = self.agent(&mut errors);
        let adaptor = one_of("adaptor", self.adaptor, Adaptor::ALL, Adaptor::as_str, &mut errors);
        let statuses = [UserStatus::Active, UserStatus::Inactive];
        let status = if self.status.trim().is_empty() {
            Some(UserStatus::Active)
        } else {
            one_of("status", self.status, statuses, UserStatus::as_str, &mut errors)
        };
        let text = |field: &str| field.trim().to_owned();
        match (agent, adaptor, status) {
            (Some(agent), Some(adaptor), Some(status)) if errors.is_empty() => Ok(User {
                agent,
                name: Pii::new(text(self.name)),
                username: Pii::new(text(self.email)),
                adaptor,
                team: text(self.team),
                supervisor: text(self.supervisor).to_lowercase(),
                site: text(self.site),
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

    /// Returns the id that is given, or else the local part of the username; nobody else's.
    pub(crate) fn agent_id(&self) -> Option<AgentId> {
        let given = self.telephony_agent_id.trim();
        if given.is_empty() {
            agent_id_of_username(self.email.trim())
        } else {
            Some(AgentId::new(given.to_lowercase()))
        }
    }

    fn agent(&self, errors: &mut Vec<FieldError>) -> Option<AgentId> {
        let Some(agent) = self.agent_id() else {
            if !self.email.trim().is_empty() {
                let reason = "has nothing before the @".to_owned();
                errors.push(FieldError { column: "email", reason });
            }
            return None;
        };
        if agent.as_str().contains(char::is_whitespace) {
            let reason = "holds a blank".to_owned();
            errors.push(FieldError { column: "telephony_agent_id", reason });
        }
        Some(agent)
    }
}

fn one_of<T: Copy, const N: usize>(
    column: &'static str,
    field: &str,
    all: [T; N],
    name: impl Fn(T) -> &'static str,
    errors: &mut Vec<FieldError>,
) -> Option<T> {
    let field = field.trim().to_lowercase().replace([' ', '_'], "-");
    let found = all.into_iter().find(|one| name(*one) == field);
    if found.is_none() {
        let names: Vec<_> = all.into_iter().map(name).collect();
        let reason = format!("is none of {}", names.join(", "));
        errors.push(FieldError { column, reason });
    }
    found
}
