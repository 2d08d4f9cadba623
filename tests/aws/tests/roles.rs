//! A role that lacks a statement: named in the log, and no foreign JSON for Genesys.

use serde_json::{Value, json};
use sidetone_model::ConversationId;
use uuid::Uuid;

use crate::client::{Heard, Knock};
use crate::world::{World, deployed, until};

const IAM: &str = "2010-05-08";

/// An inline policy of a deployed role.
struct Policy<'a> {
    world: &'a World,
    role: String,
    name: String,
    document: Value,
}

impl<'a> Policy<'a> {
    /// Finds the one policy of the role with a logical id, in the stack that takes text media:
    /// the other tests do not use it.
    async fn of(world: &'a World, logical_id: &str) -> Self {
        let start = format!("{}-{logical_id}-", world.at.text_stack.name);
        let roles = query(world, "ListRoles", &[("MaxItems", "1000")]).await;
        let role = elements(&roles, "RoleName").into_iter().find(|name| name.starts_with(&start));
        let role = role.expect("the role is deployed");
        let names = query(world, "ListRolePolicies", &[("RoleName", &role)]).await;
        let name = elements(&names, "member").into_iter().next().expect("an inline policy");
        let asked = [("RoleName", role.as_str()), ("PolicyName", name.as_str())];
        let policy = query(world, "GetRolePolicy", &asked).await;
        let document = elements(&policy, "PolicyDocument").into_iter().next().expect("a document");
        let document = decoded(&document);
        let document = serde_json::from_str(&document).expect("JSON");
        Self { world, role, name, document }
    }

    /// Returns the document without the statement of a name.
    fn without(&self, sid: &str) -> Value {
        let mut document = self.document.clone();
        let statements = document["Statement"].as_array_mut().expect("statements");
        let before = statements.len();
        statements.retain(|statement| statement["Sid"] != sid);
        assert_eq!(statements.len(), before - 1, "{sid} is one of them");
        document
    }

    async fn put(&self, document: &Value) {
        let document = document.to_string();
        let arguments = [
            ("RoleName", self.role.as_str()),
            ("PolicyName", self.name.as_str()),
            ("PolicyDocument", document.as_str()),
        ];
        query(self.world, "PutRolePolicy", &arguments).await;
    }
}

async fn query(world: &World, action: &str, arguments: &[(&str, &str)]) -> String {
    world.cloud.query("iam", action, IAM, arguments).await.expect("IAM answers")
}

/// Returns what stands in every element of a name.
fn elements(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let parts = xml.split(&open).skip(1);
    parts.filter_map(|part| part.split_once(&close)).map(|(value, _)| value.to_owned()).collect()
}

/// Reads a document as IAM writes it: URL-encoded, in XML.
fn decoded(text: &str) -> String {
    let pairs: Vec<_> = format!("d={text}").into_bytes();
    let read = reqwest::Url::parse(&format!("http://x/?{}", String::from_utf8_lossy(&pairs)));
    let read = read.expect("a query");
    let value = read.query_pairs().next().expect("a value").1.into_owned();
    value.replace("&quot;", "\"").replace("&amp;", "&")
}

#[test]
fn a_message_that_may_not_reach_the_table_ends_the_session_in_order_and_the_log_says_why() {
    deployed(async |world| {
        let stack = &world.at.text_stack;
        let knock = Knock::at(world, &stack.api_door);
        let mut client = knock.connect().await.expect("let in");
        client.open(world, ConversationId::new(Uuid::new_v4())).await;
        let policy = Policy::of(world, "MessageRole").await;
        policy.put(&policy.without("Calls")).await;
        client.say("ping", json!({})).await;
        let heard = client.next().await;
        policy.put(&policy.document).await;
        let Heard::Said(said) = heard else { panic!("said nothing: {heard:?}") };
        assert_eq!(said["type"], "disconnect", "{said}");
        assert_eq!(said["parameters"]["reason"], "error", "{said}");
        until("the log names what was denied", async || {
            let lines = world.log_of(stack, "message").await;
            let named = |line: &String| {
                line.contains("dynamodb:GetItem") && line.contains("not authorized")
            };
            lines.iter().any(named).then_some(())
        })
        .await;
        // What is whole again works again.
        let mut client = Knock::at(world, &stack.api_door).connect().await.expect("let in");
        client.open(world, ConversationId::new(Uuid::new_v4())).await;
        client.close().await;
    });
}
