//! Provisioned users, as JSON under their organization and agent id.

use rusqlite::{OptionalExtension, params};
use sidetone_model::{AgentId, OrganizationId, User};
use sidetone_ports::{StoreError, UserStore};

use super::Store;

impl UserStore for Store {
    async fn put_users(
        &self,
        organization: OrganizationId,
        users: &[User],
    ) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(users.len());
        for user in users {
            let text = serde_json::to_string(user)
                .map_err(|error| StoreError::unavailable("write a user as JSON", error))?;
            rows.push((user.agent.clone(), text));
        }
        let bytes = rows.iter().map(|(_, text)| text.len()).sum();
        self.write("put users", bytes, move |connection| {
            let mut statement = connection.prepare_cached(
                "INSERT OR REPLACE INTO users (organization, agent, user) VALUES (?1, ?2, ?3)",
            )?;
            for (agent, text) in &rows {
                let organization = organization.uuid();
                statement.execute(params![organization.as_bytes(), agent.as_str(), text])?;
            }
            Ok(())
        })
        .await
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
        let texts: Vec<String> = self
            .read("list the users", move |connection| {
                connection
                    .prepare_cached(
                        "SELECT user FROM users WHERE organization = ?1 ORDER BY agent",
                    )?
                    .query_map([organization.uuid().as_bytes()], |row| row.get(0))?
                    .collect()
            })
            .await?;
        texts.iter().map(|text| parse(organization, text)).collect()
    }
}

fn parse(organization: OrganizationId, text: &str) -> Result<User, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Unreadable {
        what: format!("a user of {organization}"),
        // The parser's own words may quote the person.
        source: format!("line {}, column {}", error.line(), error.column()).into(),
    })
}
