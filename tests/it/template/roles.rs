//! What the template's roles and policies may do, and the reason of every wildcard.
//!
//! A wildcard is `*` or `?` in an action or a resource, or a log group's `Arn`, which ends with
//! one. Its reason stands beside it, in the resource's metadata:
//! `sidetone: { wildcards: [{ statement: Sid, reason: … }] }`.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// A reason shorter than this says nothing.
const REASON_CHARACTERS_MIN: usize = 20;

/// Returns what is wrong: wildcards without a reason, reasons without a wildcard, statements
/// without a name, and permissions that nobody wrote by hand.
pub(super) fn violations(template: &Value) -> Vec<String> {
    let resources = template["Resources"].as_object().expect("resources");
    let mut violations = Vec::new();
    for (name, resource) in resources {
        not_by_hand(name, resource, &mut violations);
        let mut wild = BTreeSet::new();
        for document in documents(resource) {
            for statement in statements(&document["Statement"]) {
                let Some(sid) = statement["Sid"].as_str() else {
                    violations.push(format!("{name}: a statement has no Sid"));
                    continue;
                };
                if is_wild(statement, resources) {
                    wild.insert(sid.to_owned());
                }
            }
        }
        let reasons = reasons(name, resource, &mut violations);
        for sid in wild.difference(&reasons) {
            violations.push(format!("{name}: {sid} has a wildcard without a reason"));
        }
        for sid in reasons.difference(&wild) {
            violations.push(format!("{name}: {sid} has a reason without a wildcard"));
        }
    }
    violations
}

/// Returns every action that a role allows, in order.
pub(super) fn actions(template: &Value, role: &str) -> BTreeSet<String> {
    let documents = documents(&template["Resources"][role]);
    let statements = documents.iter().flat_map(|document| statements(&document["Statement"]));
    statements.flat_map(|statement| texts(&statement["Action"])).collect()
}

/// SAM makes roles and broad policies of its own where a function does not bring them.
fn not_by_hand(name: &str, resource: &Value, violations: &mut Vec<String>) {
    let properties = &resource["Properties"];
    if resource["Type"] == "AWS::Serverless::Function" {
        let own = format!("{}Role", name.trim_end_matches("Function"));
        if properties["Role"]["Fn::GetAtt"][0] != own.as_str() {
            violations.push(format!("{name}: its role is not {own}"));
        }
        for generated in ["Policies", "Events", "Connectors"] {
            if properties.get(generated).is_some() {
                violations.push(format!("{name}: {generated} makes permissions of SAM's own"));
            }
        }
    }
    if properties.get("ManagedPolicyArns").is_some() {
        violations.push(format!("{name}: a managed policy, which others write"));
    }
}

/// Returns every policy document of a resource, but not who may assume a role.
fn documents(resource: &Value) -> Vec<&Value> {
    let properties = &resource["Properties"];
    let inline = properties["Policies"].as_array().into_iter().flatten();
    let own = ["PolicyDocument", "KeyPolicy", "RepositoryPolicyText", "ResourcePolicy"];
    let own = own.iter().filter_map(|name| properties.get(name));
    inline.map(|policy| &policy["PolicyDocument"]).chain(own).collect()
}

/// Returns statements, in whichever branch of a condition.
fn statements(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().flat_map(statements).collect(),
        Value::Object(entries) => match entries.get("Fn::If").and_then(Value::as_array) {
            Some(choice) => choice[1..].iter().flat_map(statements).collect(),
            None if entries.contains_key("Ref") => Vec::new(),
            None => vec![value],
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

fn is_wild(statement: &Value, resources: &Map<String, Value>) -> bool {
    let parts = ["Action", "NotAction", "Resource", "NotResource"];
    parts.iter().filter_map(|part| statement.get(part)).any(|part| {
        texts(part).iter().any(|text| text.contains(['*', '?'])) || names_log_group(part, resources)
    })
}

/// `Arn` of a log group ends with `:*`, where nobody sees it.
fn names_log_group(value: &Value, resources: &Map<String, Value>) -> bool {
    let log_group = |name: &str| resources.get(name).is_some_and(|r| r["Type"] == LOG_GROUP);
    match value {
        Value::Array(items) => items.iter().any(|item| names_log_group(item, resources)),
        Value::Object(entries) => {
            let path = entries.get("Fn::GetAtt");
            let named = path.and_then(|path| path[0].as_str()).is_some_and(log_group);
            named || entries.values().any(|entry| names_log_group(entry, resources))
        }
        Value::String(text) => {
            let arn = |name: &str| name.strip_suffix(".Arn").is_some_and(log_group);
            super::conditions::substituted(text).any(arn)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

const LOG_GROUP: &str = "AWS::Logs::LogGroup";

/// Returns every text within a value, whatever function it stands in.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(entries) => entries.values().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

fn reasons(name: &str, resource: &Value, violations: &mut Vec<String>) -> BTreeSet<String> {
    let written = resource["Metadata"]["sidetone"]["wildcards"].as_array();
    let mut reasons = BTreeSet::new();
    for entry in written.into_iter().flatten() {
        let sid = entry["statement"].as_str().unwrap_or_default().to_owned();
        let reason = entry["reason"].as_str().unwrap_or_default();
        if reason.chars().count() < REASON_CHARACTERS_MIN {
            violations.push(format!("{name}: the reason of {sid} says nothing"));
        }
        reasons.insert(sid);
    }
    reasons
}
