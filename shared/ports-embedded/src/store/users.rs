//! Provisioned users, as JSON under their organization and agent id, and their history.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::de::DeserializeOwned;
use sidetone_model::{AgentId, OrganizationId, User};
use sidetone_ports::{
    ChangeOrigin, HistoryEntry, HistoryPage, HistoryQuery, Revision, StoreError, UserChange,
    UserPage, UserQuery, UserStore,
};

use super::Store;
use crate::database::{signed, unsigned};

/// About what one change holds in memory while it waits to be written.
const CHANGE_BYTES: usize = 256;

impl UserStore for Store {
    async fn user_revision(&self, organization: OrganizationId) -> Result<Revision, StoreError> {
        self.read("read the revision of the users", move |connection| {
            revision(connection, organization)
        })
        .await
    }

    async fn change_users(
        &self,
        organization: OrganizationId,
        expected: Revision,
        origin: &ChangeOrigin,
        changes: &[UserChange],
    ) -> Result<Revision, StoreError> {
        let Some(next) = (!changes.is_empty()).then(|| expected + 1) else {
            return Ok(expected);
        };
        let origin = json(origin)?;
        // The users themselves are shared, so this copies no names.
        let changes = changes.to_vec();
        let bytes = changes.len() * CHANGE_BYTES;
        let written = self
            .write("change users", bytes, move |connection| {
                if revision(connection, organization)? != expected {
                    return Ok(false);
                }
                commit(connection, organization, next, &origin, &changes)?;
                Ok(true)
            })
            .await?;
        if written {
            return Ok(next);
        }
        let (partition, item) = (organization.to_string(), "the users".to_owned());
        Err(StoreError::Conflict { partition, item, expected })
    }

    async fn user(
        &self,
        organization: OrganizationId,
        agent: &AgentId,
    ) -> Result<Option<User>, StoreError> {
        let name = agent.clone();
        let text: Option<String> = self
            .read("find a user", move |connection| {
                connection
                    .prepare_cached(
                        "SELECT user FROM users WHERE organization = ?1 AND agent = ?2",
                    )?
                    .query_row(params![organization.uuid().as_bytes(), name.as_str()], |row| {
                        row.get(0)
                    })
                    .optional()
            })
            .await?;
        text.map(|text| parse(organization, &text)).transpose()
    }

    async fn users(&self, organization: OrganizationId) -> Result<Vec<User>, StoreError> {
        let users: Vec<Result<User, StoreError>> = self
            .read("list the users", move |connection| {
                connection
                    .prepare_cached(
                        "SELECT user FROM users WHERE organization = ?1 ORDER BY agent",
                    )?
                    .query_map([organization.uuid().as_bytes()], |row| {
                        let text = row.get_ref(0)?.as_str()?;
                        Ok(parse(organization, text))
                    })?
                    .collect()
            })
            .await?;
        users.into_iter().collect()
    }

    async fn user_page(
        &self,
        organization: OrganizationId,
        query: &UserQuery,
    ) -> Result<UserPage, StoreError> {
        let UserQuery { after, limit } = query.clone();
        let limit = limit.max(1);
        let users: Vec<Result<User, StoreError>> = self
            .read("list some users", move |connection| {
                let after = after.as_ref().map_or("", AgentId::as_str);
                connection
                    .prepare_cached(
                        "SELECT user FROM users WHERE organization = ?1 AND agent > ?2 \
                         ORDER BY agent LIMIT ?3",
                    )?
                    .query_map(
                        // One more tells whether there are more.
                        params![organization.uuid().as_bytes(), after, signed(limit as u64 + 1)],
                        |row| {
                            let text = row.get_ref(0)?.as_str()?;
                            Ok(parse(organization, text))
                        },
                    )?
                    .collect()
            })
            .await?;
        let mut users = users.into_iter().collect::<Result<Vec<_>, _>>()?;
        let has_more = users.len() > limit;
        users.truncate(limit);
        let next = users.last().filter(|_| has_more).map(|user: &User| user.agent.clone());
        Ok(UserPage { users, next })
    }

    async fn user_history(
        &self,
        organization: OrganizationId,
        query: &HistoryQuery,
    ) -> Result<HistoryPage, StoreError> {
        let HistoryQuery { agent, before, limit } = query.clone();
        let limit = limit.max(1);
        let rows: Vec<HistoryRow> = self
            .read("read the history of the users", move |connection| {
                let revision_max = before.as_ref().map_or(i64::MAX, |place| signed(place.revision));
                let last = before.as_ref().map_or("", |place| place.agent.as_str());
                connection
                    .prepare_cached(match agent {
                        Some(_) => OF_A_USER,
                        None => OF_ALL,
                    })?
                    .query_map(
                        params![
                            organization.uuid().as_bytes(),
                            agent.as_ref().map(AgentId::as_str),
                            revision_max,
                            last,
                            // One more tells whether there are more.
                            signed(limit as u64 + 1),
                        ],
                        HistoryRow::read,
                    )?
                    .collect()
            })
            .await?;
        let more = rows.len() > limit;
        let entries = rows.into_iter().take(limit).map(|row| row.entry(organization));
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        let next = entries.last().filter(|_| more).map(HistoryEntry::place);
        Ok(HistoryPage { entries, next })
    }
}

const OF_ALL: &str = "
    SELECT revision, agent, origin, before, after FROM user_history
    WHERE organization = ?1 AND ?2 IS NULL AND (revision, agent) < (?3, ?4)
    ORDER BY revision DESC, agent DESC LIMIT ?5";

const OF_A_USER: &str = "
    SELECT revision, agent, origin, before, after FROM user_history
    WHERE organization = ?1 AND agent = ?2 AND (revision, agent) < (?3, ?4)
    ORDER BY revision DESC LIMIT ?5";

fn revision(connection: &Connection, organization: OrganizationId) -> rusqlite::Result<Revision> {
    let revision: Option<i64> = connection
        .prepare_cached("SELECT revision FROM user_revisions WHERE organization = ?1")?
        .query_row([organization.uuid().as_bytes()], |row| row.get(0))
        .optional()?;
    Ok(revision.map_or(0, unsigned))
}

fn commit(
    connection: &Connection,
    organization: OrganizationId,
    revision: Revision,
    origin: &str,
    changes: &[UserChange],
) -> rusqlite::Result<()> {
    let organization = organization.uuid();
    let (organization, revision) = (organization.as_bytes(), signed(revision));
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO user_revisions (organization, revision) VALUES (?1, ?2)",
        )?
        .execute(params![organization, revision])?;
    let mut put = connection.prepare_cached(
        "INSERT OR REPLACE INTO users (organization, agent, user) VALUES (?1, ?2, ?3)",
    )?;
    let mut remove =
        connection.prepare_cached("DELETE FROM users WHERE organization = ?1 AND agent = ?2")?;
    let mut note = connection.prepare_cached(
        "INSERT INTO user_history (organization, revision, agent, origin, before, after)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for UserChange { agent, before, after } in changes {
        let agent = agent.as_str();
        let before = before.as_deref().map(column).transpose()?;
        let after = after.as_deref().map(column).transpose()?;
        match &after {
            Some(user) => put.execute(params![organization, agent, user])?,
            None => remove.execute(params![organization, agent])?,
        };
        note.execute(params![organization, revision, agent, origin, before, after])?;
    }
    Ok(())
}

/// Writes a user as JSON where only SQLite's errors can be told.
fn column(user: &User) -> rusqlite::Result<String> {
    serde_json::to_string(user)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

struct HistoryRow {
    revision: i64,
    agent: String,
    origin: String,
    before: Option<String>,
    after: Option<String>,
}

impl HistoryRow {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            revision: row.get(0)?,
            agent: row.get(1)?,
            origin: row.get(2)?,
            before: row.get(3)?,
            after: row.get(4)?,
        })
    }

    fn entry(self, organization: OrganizationId) -> Result<HistoryEntry, StoreError> {
        let user = |text: Option<String>| {
            text.map(|text| parse(organization, &text).map(Arc::new)).transpose()
        };
        Ok(HistoryEntry {
            revision: unsigned(self.revision),
            origin: parse(organization, &self.origin)?,
            change: UserChange {
                agent: AgentId::new(self.agent),
                before: user(self.before)?,
                after: user(self.after)?,
            },
        })
    }
}

fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::unavailable("write a change as JSON", error))
}

fn parse<T: DeserializeOwned>(organization: OrganizationId, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Unreadable {
        what: format!("a user of {organization}"),
        // The parser's own words may quote the person.
        source: format!("line {}, column {}", error.line(), error.column()).into(),
    })
}
