//! The stores on DynamoDB: calls, connections, leases, organizations, owners, mailboxes, nonces
//! and users.
//!
//! Three tables, each with the keys `pk` and `sk`, both text, and `ttl` as its TTL attribute.
//! DynamoDB deletes what has expired when it likes, so every read filters by expiry itself.
//!
//! | table | `pk` | `sk` | holds |
//! |---|---|---|---|
//! | calls | `<organization>#<conversation>` | item's name | an item of a conversation |
//! | calls | `connection#<connection>` | `state` | a connection's state |
//! | calls | `mailbox#<owner>` | `<organization>#<conversation>` | a letter |
//! | calls | `owners` | owner | an owner's sign of life |
//! | tracker | `nonce#<key>#<nonce>` | `nonce` | a nonce that was used |
//! | tracker | `lease#<name>` | `lease` | a lease |
//! | users | organization, or organization and batch | see `users` | users |
//! | users | `organizations` | organization | an organization's settings |
//! | users | `organizations-history` | `<organization>#<revision>` | a change of its settings |
//!
//! The calls table has two indexes: `by-owner` (`owner`, `pk`; all attributes) and `by-due`
//! (`due`, `due_at`; `expires_ms` with the keys). Only reads through an index may be late.
//!
//! Operations: `GetItem`, `PutItem`, `UpdateItem`, `DeleteItem`, `Query`, for users
//! `BatchWriteItem`, and for users and organizations transactions of `PutItem`, `UpdateItem` and
//! `DeleteItem`. No other is called.

mod calls;
mod connections;
mod leases;
mod mailbox;
mod nonces;
mod organizations;
mod origin;
mod owners;
mod revision;
mod transaction;
mod users;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use sidetone_model::{ConversationKey, OwnerId};
use sidetone_ports::StoreError;

use crate::failure::AwsFailure;
use value::Row;

/// How long one try may take: DynamoDB answers in milliseconds, and what it does not answer
/// in this time is sooner answered by another of its nodes.
const ATTEMPT_MAX: Duration = Duration::from_millis(2_500);
/// How long connecting may take.
const CONNECT_MAX: Duration = Duration::from_secs(1);
/// How long an operation may take with all its tries.
const OPERATION_MAX: Duration = Duration::from_secs(8);
/// How often an operation is tried.
const TRIES_MAX: u32 = 4;
/// How long the SDK waits before the second try, at most; then twice as long each time.
const FIRST_RETRY: Duration = Duration::from_millis(50);

/// The names of the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tables {
    /// Conversations, connections, mailboxes, owners.
    pub calls: String,
    /// Provisioned users.
    pub users: String,
    /// Nonces and leases.
    pub tracker: String,
}

/// Every store on DynamoDB. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DynamoStore(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    client: Client,
    tables: Tables,
    pockets: Mutex<Pockets>,
}

/// Letters that were read and not yet handed out, so that a taker which is dropped in between
/// loses nothing.
type Pockets = BTreeMap<OwnerId, BTreeSet<ConversationKey>>;

impl DynamoStore {
    /// Works on the given tables with the client's endpoint, region and credentials, and with
    /// time-outs and tries of the store's own.
    pub fn new(client: &Client, tables: Tables) -> Self {
        let time_outs = TimeoutConfig::builder()
            .connect_timeout(CONNECT_MAX)
            .operation_attempt_timeout(ATTEMPT_MAX)
            .operation_timeout(OPERATION_MAX)
            .build();
        let tries =
            RetryConfig::standard().with_max_attempts(TRIES_MAX).with_initial_backoff(FIRST_RETRY);
        let config =
            client.config().to_builder().timeout_config(time_outs).retry_config(tries).build();
        Self(Arc::new(Shared {
            client: Client::from_conf(config),
            tables,
            pockets: Mutex::default(),
        }))
    }

    fn client(&self) -> &Client {
        &self.0.client
    }

    fn tables(&self) -> &Tables {
        &self.0.tables
    }
}

/// Reads every page of a query.
async fn all_pages(
    action: &'static str,
    query: QueryFluentBuilder,
) -> Result<Vec<Row>, StoreError> {
    let mut rows = Vec::new();
    let mut pages = query.into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| {
            StoreError::unavailable(action, AwsFailure::new("dynamodb:Query", &error))
        })?;
        rows.extend(page.items.unwrap_or_default());
    }
    Ok(rows)
}
