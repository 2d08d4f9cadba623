//! template.yaml as JSON, with CloudFormation's short tags in their long form.
//!
//! Source: CloudFormation's "Intrinsic function reference".

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

/// The template's text.
pub(super) fn text() -> String {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml");
    std::fs::read_to_string(file).expect("template.yaml is there")
}

/// Reads a template: `!Ref X` becomes `{"Ref": "X"}`, `!Sub …` `{"Fn::Sub": …}`, and so on.
pub(super) fn read(text: &str) -> Value {
    let mut documents = Yaml::load_from_str(text).expect("the template is YAML");
    assert_eq!(documents.len(), 1, "one document");
    value(&documents.remove(0))
}

fn value(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(scalar) => plain(scalar),
        Yaml::Sequence(items) => items.iter().map(value).collect(),
        Yaml::Mapping(entries) => {
            let entries = entries.iter().map(|(key, entry)| (name(key), value(entry)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
        Yaml::Tagged(tag, inner) => function(&tag.suffix, value(inner)),
        Yaml::Representation(text, ..) => panic!("{text} was not resolved"),
        Yaml::Alias(_) | Yaml::BadValue => panic!("the template has no aliases and no bad values"),
    }
}

fn plain(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(truth) => json!(truth),
        Scalar::Integer(number) => json!(number),
        Scalar::FloatingPoint(number) => json!(number.into_inner()),
        Scalar::String(text) => json!(text),
    }
}

fn name(key: &Yaml<'_>) -> String {
    let key = value(key);
    key.as_str().map_or_else(|| key.to_string(), str::to_owned)
}

fn function(tag: &str, argument: Value) -> Value {
    match tag {
        "Ref" | "Condition" => json!({ tag: argument }),
        "GetAtt" => {
            let path = argument.as_str().expect("!GetAtt takes Name.Attribute");
            let (resource, attribute) = path.split_once('.').expect("!GetAtt has an attribute");
            json!({ "Fn::GetAtt": [resource, attribute] })
        }
        other => json!({ format!("Fn::{other}"): argument }),
    }
}
