//! The local AWS, and tables made for one test.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, TableStatus, TimeToLiveSpecification,
};
use sidetone_ports_aws::{Aws, Tables};
use sidetone_testkit::fresh_text;

/// Where the SDK looks for the address of the local AWS.
const ADDRESS: &str = "AWS_ENDPOINT_URL";
/// How long a table may take to be there.
const TABLE_LOOKS_MAX: u32 = 100;

/// Returns the local AWS as Sidetone sees it.
///
/// Panics if what the SDK would call is none, but an account of somebody's.
pub(crate) async fn local() -> Aws {
    let address = std::env::var(ADDRESS).unwrap_or_default();
    let host = address.split_once("://").map_or("", |(_, host)| host);
    assert!(
        host.starts_with("127.0.0.1:"),
        "{ADDRESS} must say where the local AWS is, such as http://127.0.0.1:4566"
    );
    Aws::connect().await.expect("a region")
}

/// Returns what every other client of the local AWS is made from.
pub(crate) async fn aws() -> SdkConfig {
    local().await.config().clone()
}

/// Makes the three tables under names of their own, as the template describes them.
pub(crate) async fn tables(client: &Client) -> Tables {
    let tables = Tables {
        calls: fresh_text("calls"),
        users: fresh_text("users"),
        tracker: fresh_text("tracker"),
    };
    let calls = client
        .create_table()
        .table_name(&tables.calls)
        .attribute_definitions(attribute("owner", ScalarAttributeType::S))
        .attribute_definitions(attribute("due", ScalarAttributeType::S))
        .attribute_definitions(attribute("due_at", ScalarAttributeType::N))
        .global_secondary_indexes(index("by-owner", ["owner", "pk"], everything()))
        .global_secondary_indexes(index("by-due", ["due", "due_at"], expiry_alone()));
    for table in [
        calls,
        client.create_table().table_name(&tables.users),
        client.create_table().table_name(&tables.tracker),
    ] {
        let created = table
            .attribute_definitions(attribute("pk", ScalarAttributeType::S))
            .attribute_definitions(attribute("sk", ScalarAttributeType::S))
            .set_key_schema(Some(keys(["pk", "sk"])))
            .billing_mode(BillingMode::PayPerRequest)
            .send()
            .await;
        created.expect("a table is created");
    }
    for name in [&tables.calls, &tables.users, &tables.tracker] {
        wait_until_active(client, name).await;
        let expiry = TimeToLiveSpecification::builder().attribute_name("ttl").enabled(true).build();
        let expiry = expiry.expect("a name and a switch are all it needs");
        let update =
            client.update_time_to_live().table_name(name).time_to_live_specification(expiry);
        update.send().await.expect("a table gets its expiry");
    }
    tables
}

async fn wait_until_active(client: &Client, name: &str) {
    for _ in 0..TABLE_LOOKS_MAX {
        let answer = client.describe_table().table_name(name).send().await;
        let table = answer.expect("a table is described").table.expect("it is there");
        if table.table_status == Some(TableStatus::Active) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the table {name} does not become active");
}

fn attribute(name: &str, kind: ScalarAttributeType) -> AttributeDefinition {
    let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(kind);
    attribute.build().expect("a name and a type are all it needs")
}

fn keys(names: [&str; 2]) -> Vec<KeySchemaElement> {
    let kinds = [KeyType::Hash, KeyType::Range];
    let keys = names.into_iter().zip(kinds).map(|(name, kind)| {
        let key = KeySchemaElement::builder().attribute_name(name).key_type(kind);
        key.build().expect("a name and a kind are all it needs")
    });
    keys.collect()
}

fn index(name: &str, names: [&str; 2], projection: Projection) -> GlobalSecondaryIndex {
    let index = GlobalSecondaryIndex::builder()
        .index_name(name)
        .set_key_schema(Some(keys(names)))
        .projection(projection);
    index.build().expect("a name and keys are all it needs")
}

fn everything() -> Projection {
    Projection::builder().projection_type(ProjectionType::All).build()
}

fn expiry_alone() -> Projection {
    Projection::builder()
        .projection_type(ProjectionType::Include)
        .non_key_attributes("expires_ms")
        .build()
}
