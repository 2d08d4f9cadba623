//! A page of users: the rows behind one, under what a commit has yet to copy to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use sidetone_model::{AgentId, OrganizationId, User};
use sidetone_ports::{StoreError, UserChange, UserPage, UserQuery};

use super::{AGENT, AGENT_END, LIST, READS_MAX, read_user};
use crate::failure::AwsFailure;
use crate::store::DynamoStore;
use crate::store::transaction::pause;
use crate::store::value::{Row, text, text_of};

impl DynamoStore {
    pub(super) async fn page(
        &self,
        organization: OrganizationId,
        query: &UserQuery,
    ) -> Result<UserPage, StoreError> {
        let mut before = self.head(organization).await?;
        for read in 1..=READS_MAX {
            let rows = self.rows_behind(organization, query).await?;
            let staged = match &before.pending {
                Some(batch) => self.staged_changes(organization, batch).await?,
                None => Vec::new(),
            };
            let after = self.head(organization).await?;
            if after == before {
                return rows.under(staged, organization, query);
            }
            before = after;
            pause(read).await;
        }
        Err(StoreError::unavailable(LIST, "they changed each time they were read"))
    }

    async fn rows_behind(
        &self,
        organization: OrganizationId,
        query: &UserQuery,
    ) -> Result<Rows, StoreError> {
        let after = query.after.as_ref().map_or("", AgentId::as_str);
        // One more for the row of the one behind whom it begins.
        let limit = i32::try_from(query.limit.max(1).saturating_add(1)).unwrap_or(i32::MAX);
        let query = self
            .client()
            .query()
            .table_name(&self.tables().users)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", text(organization.to_string()))
            .expression_attribute_values(":from", text(format!("{AGENT}{after}")))
            .expression_attribute_values(":to", text(AGENT_END))
            .limit(limit);
        let answer = query.send().await.map_err(|error| {
            StoreError::unavailable(LIST, AwsFailure::new("dynamodb:Query", &error))
        })?;
        let up_to = match answer.last_evaluated_key.filter(|key| !key.is_empty()) {
            Some(key) => Some(agent_of(&key)?),
            None => None,
        };
        Ok(Rows { rows: answer.items.unwrap_or_default(), up_to })
    }
}

/// What one query brought.
struct Rows {
    rows: Vec<Row>,
    /// Up to whom it has everybody; absent for everybody there is.
    up_to: Option<AgentId>,
}

impl Rows {
    fn under(
        self,
        staged: Vec<UserChange>,
        organization: OrganizationId,
        query: &UserQuery,
    ) -> Result<UserPage, StoreError> {
        let Self { rows, up_to } = self;
        let rows = rows.iter().map(|row| read_user(organization, row));
        let mut users = rows
            .filter_map(Result::transpose)
            .map(|user| user.map(|user| (user.agent.clone(), user)))
            .collect::<Result<BTreeMap<AgentId, User>, StoreError>>()?;
        for UserChange { agent, after, .. } in staged {
            match after {
                Some(user) => drop(users.insert(agent, Arc::unwrap_or_clone(user))),
                None => drop(users.remove(&agent)),
            }
        }
        let is_behind = |agent: &AgentId| query.after.as_ref().is_none_or(|after| agent > after);
        let is_covered = |agent: &AgentId| up_to.as_ref().is_none_or(|last| agent <= last);
        users.retain(|agent, _| is_behind(agent) && is_covered(agent));
        let mut users: Vec<User> = users.into_values().collect();
        let limit = query.limit.max(1);
        if users.len() > limit {
            users.truncate(limit);
            let next = users.last().map(|user| user.agent.clone());
            return Ok(UserPage { users, next });
        }
        Ok(UserPage { users, next: up_to })
    }
}

fn agent_of(row: &Row) -> Result<AgentId, StoreError> {
    let key = text_of(row, "sk")?;
    Ok(AgentId::new(key.strip_prefix(AGENT).unwrap_or(key)))
}
