//! Which resources are there under which parameters, and whether what refers to them knows.
//!
//! Every reference is collected with the conditions under which it counts. For each kind of
//! reference, every combination of the parameters that decide on it is tried: that is every
//! combination of optional parts, without trying those that cannot matter.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// A condition and whether it has to hold.
type Guard = (String, bool);

/// Where the walk is: whose definition, and under what conditions.
#[derive(Clone)]
struct Place {
    owner: String,
    guards: BTreeSet<Guard>,
}

/// One reference to a resource, and the conditions under which it counts.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Reference {
    owner: String,
    guards: BTreeSet<Guard>,
    target: String,
}

/// Values of parameters, as text.
type Parameters = BTreeMap<String, String>;

/// Returns what is wrong: references to what is nowhere, or not there when they count.
pub(super) fn broken_references(template: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    let mut references = BTreeSet::new();
    for section in ["Resources", "Outputs"] {
        for (owner, definition) in template[section].as_object().expect("a section") {
            let guards = condition_of(definition).map(|name| (name, true)).into_iter().collect();
            let place = Place { owner: owner.clone(), guards };
            for target in named_dependencies(definition) {
                let Place { owner, guards } = place.clone();
                references.insert(Reference { owner, guards, target });
            }
            let body = if section == "Resources" { "Properties" } else { "Value" };
            walk(&definition[body], &place, &mut references);
        }
    }
    for reference in references {
        let Reference { owner, guards, target } = &reference;
        if target.starts_with("AWS::") || template["Parameters"].get(target).is_some() {
            continue;
        }
        let Some(resource) = template["Resources"].get(target) else {
            broken.push(format!("{owner} refers to {target}, which is nowhere"));
            continue;
        };
        let Some(needed) = condition_of(resource) else { continue };
        if let Some(parameters) = counterexample(template, guards, &needed) {
            broken.push(format!("{owner} refers to {target}, which is absent with {parameters:?}"));
        }
    }
    broken
}

/// Returns the names of conditions that are never both on and off, whatever is said.
pub(super) fn fixed_conditions(template: &Value) -> Vec<String> {
    let conditions = template["Conditions"].as_object().expect("conditions");
    let fixed = |name: &&String| {
        let on = BTreeSet::from([((*name).clone(), true)]);
        let off = BTreeSet::from([((*name).clone(), false)]);
        !satisfiable(template, &on) || !satisfiable(template, &off)
    };
    conditions.keys().filter(fixed).cloned().collect()
}

fn condition_of(definition: &Value) -> Option<String> {
    definition.get("Condition").and_then(Value::as_str).map(str::to_owned)
}

fn named_dependencies(definition: &Value) -> Vec<String> {
    match definition.get("DependsOn") {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(all)) => {
            all.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        Some(_) | None => Vec::new(),
    }
}

fn walk(value: &Value, place: &Place, references: &mut BTreeSet<Reference>) {
    let mut refer = |target: &str| {
        // `Api.Stage` is SAM's way to name what it makes of `Api`.
        let target = target.split('.').next().unwrap_or(target).to_owned();
        let Place { owner, guards } = place.clone();
        references.insert(Reference { owner, guards, target });
    };
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, place, references)),
        Value::Object(entries) => {
            if let Some(target) = entries.get("Ref").and_then(Value::as_str) {
                refer(target);
            } else if let Some(path) = entries.get("Fn::GetAtt").and_then(Value::as_array) {
                refer(path[0].as_str().expect("a name"));
            } else if let Some(text) = entries.get("Fn::Sub") {
                // The form with a map of its own is not understood, so that it is not used.
                let text = text.as_str().expect("Fn::Sub takes a text");
                substituted(text).for_each(refer);
            } else if let Some(choice) = entries.get("Fn::If").and_then(Value::as_array) {
                let condition = choice[0].as_str().expect("a condition's name");
                for (branch, holds) in [(&choice[1], true), (&choice[2], false)] {
                    let mut place = place.clone();
                    place.guards.insert((condition.to_owned(), holds));
                    walk(branch, &place, references);
                }
            } else {
                entries.values().for_each(|entry| walk(entry, place, references));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Returns the names within `${…}`.
pub(super) fn substituted(text: &str) -> impl Iterator<Item = &str> {
    text.split("${").skip(1).filter_map(|rest| rest.split('}').next())
}

/// Finds parameters with which the guards hold, and what is needed does not.
fn counterexample(template: &Value, guards: &BTreeSet<Guard>, needed: &str) -> Option<Parameters> {
    let mut guards = guards.clone();
    guards.insert((needed.to_owned(), false));
    solution(template, &guards)
}

fn satisfiable(template: &Value, guards: &BTreeSet<Guard>) -> bool {
    solution(template, guards).is_some()
}

fn solution(template: &Value, guards: &BTreeSet<Guard>) -> Option<Parameters> {
    if guards.iter().any(|(name, holds)| guards.contains(&(name.clone(), !holds))) {
        return None;
    }
    let mut choices: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, _) in guards {
        gather(template, &template["Conditions"][name], &mut choices);
    }
    combinations(choices).find(|parameters| {
        guards.iter().all(|(name, holds)| {
            truth(template, &template["Conditions"][name], parameters) == *holds
        })
    })
}

/// Collects the parameters that a condition looks at, with every value that it tells apart.
fn gather(template: &Value, condition: &Value, choices: &mut BTreeMap<String, BTreeSet<String>>) {
    let (function, argument) = only_entry(condition);
    match function {
        "Condition" => {
            let name = argument.as_str().expect("a condition's name");
            gather(template, &template["Conditions"][name], choices);
        }
        "Fn::Equals" => {
            let (parameter, constant) = comparison(argument);
            let values = choices.entry(parameter.to_owned()).or_default();
            values.extend([constant, "anything else".to_owned()]);
        }
        _ => {
            let parts = argument.as_array().expect("a list of conditions");
            parts.iter().for_each(|part| gather(template, part, choices));
        }
    }
}

fn truth(template: &Value, condition: &Value, parameters: &Parameters) -> bool {
    let (function, argument) = only_entry(condition);
    if function == "Condition" {
        let name = argument.as_str().expect("a condition's name");
        return truth(template, &template["Conditions"][name], parameters);
    }
    if function == "Fn::Equals" {
        let (parameter, constant) = comparison(argument);
        return parameters[parameter] == constant;
    }
    let parts = argument.as_array().expect("a list of conditions");
    let mut truths = parts.iter().map(|part| truth(template, part, parameters));
    match function {
        "Fn::Not" => !truths.all(|one| one),
        "Fn::And" => truths.all(|one| one),
        "Fn::Or" => truths.any(|one| one),
        other => panic!("{other} in a condition"),
    }
}

fn only_entry(condition: &Value) -> (&str, &Value) {
    let entries = condition.as_object().expect("a condition is a function");
    let (function, argument) = entries.iter().next().expect("a condition is a function");
    (function, argument)
}

fn comparison(argument: &Value) -> (&str, String) {
    let parameter = argument[0]["Ref"].as_str().expect("what is compared is a parameter");
    let constant = &argument[1];
    let constant = constant.as_str().map_or_else(|| constant.to_string(), str::to_owned);
    (parameter, constant)
}

fn combinations(choices: BTreeMap<String, BTreeSet<String>>) -> impl Iterator<Item = Parameters> {
    let total = choices.values().map(BTreeSet::len).product::<usize>();
    (0..total).map(move |mut number| {
        let pick = |(name, values): (&String, &BTreeSet<String>)| {
            let value = values.iter().nth(number % values.len()).expect("in range").clone();
            number /= values.len();
            (name.clone(), value)
        };
        choices.iter().map(pick).collect()
    })
}
