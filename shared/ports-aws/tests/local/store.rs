//! The stores on DynamoDB.

use aws_sdk_dynamodb::Client;
use sidetone_ports_aws::DynamoStore;
use sidetone_testkit::conformance;

use crate::common::{aws, tables};

async fn store() -> DynamoStore {
    let client = Client::new(&aws().await);
    let tables = tables(&client).await;
    DynamoStore::new(&client, tables)
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_conform() {
    conformance::call_store(store().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_conform() {
    conformance::connections(store().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_conform() {
    conformance::leases(store().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mailboxes_conform() {
    conformance::mailbox(store().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nonces_conform() {
    conformance::nonce_store(store().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_conform() {
    conformance::owner_store(store().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_conform() {
    conformance::user_store(store().await).await;
}
