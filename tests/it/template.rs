//! template.yaml: least privilege, optional parts, and the names that others rely on.
//!
//! What CloudFormation itself and its linters know is not repeated here; `infra/check.sh` runs
//! those.

mod conditions;
mod read;
mod roles;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sidetone_model::Organization;

/// Every function, without the word.
const FUNCTIONS: &[&str] = &[
    "Connect",
    "Message",
    "Disconnect",
    "Sweep",
    "Tracker",
    "GenesysEvents",
    "Recorder",
    "UsersImport",
    "UsersApi",
];

/// What the command, the tests on a deployment and people look up.
const OUTPUTS: &[&str] = &[
    "ApiGatewayUri",
    "ApiId",
    "AudioUri",
    "CallsTable",
    "ConnectFunction",
    "DisconnectFunction",
    "GenesysEventsFunction",
    "GenesysSecretArn",
    "ImageRepository",
    "KeysSecretArn",
    "MessageFunction",
    "RecorderFunction",
    "RecordingsBucket",
    "ServiceTaskDefinition",
    "ServiceTaskRoleArn",
    "StreamName",
    "SweepFunction",
    "TrackerFunction",
    "TrackerTable",
    "UsersApiFunction",
    "UsersApiUri",
    "UsersBucketName",
    "UsersImportFunction",
    "UsersTable",
];

fn template() -> Value {
    read::read(&read::text())
}

/// Every resource of one kind, by name.
fn of_kind<'a>(
    template: &'a Value,
    kind: &'a str,
) -> impl Iterator<Item = (&'a String, &'a Value)> {
    let resources = template["Resources"].as_object().expect("resources");
    resources.iter().filter(move |(_, resource)| resource["Type"] == kind)
}

#[test]
fn every_wildcard_has_a_reason() {
    assert_eq!(roles::violations(&template()), Vec::<String>::new());
}

#[test]
fn a_planted_wildcard_is_found_wherever_it_is_planted() {
    let clean = template();
    let roles: Vec<String> = of_kind(&clean, "AWS::IAM::Role").map(|(n, _)| n.clone()).collect();
    assert!(roles.len() >= FUNCTIONS.len() + 4, "functions, schedules, tasks: {roles:?}");
    let plants = [
        json!({"Sid": "Planted", "Effect": "Allow", "Action": "dynamodb:*", "Resource": "arn"}),
        json!({"Sid": "Planted", "Effect": "Allow", "Action": ["s3:GetObject", "s3:Put?bject"],
               "Resource": "arn"}),
        json!({"Sid": "Planted", "Effect": "Allow", "Action": "a:B", "Resource": "*"}),
        json!({"Sid": "Planted", "Effect": "Allow", "NotAction": "a:*", "Resource": "arn"}),
        json!({"Sid": "Planted", "Effect": "Allow", "Action": "a:B",
               "Resource": [{"Fn::Sub": "${CallsTable.Arn}/*"}]}),
        json!({"Sid": "Planted", "Effect": "Allow", "Action": "a:B",
               "Resource": {"Fn::GetAtt": ["ConnectLog", "Arn"]}}),
        json!({"Fn::If": ["IsTraced",
               {"Sid": "Planted", "Effect": "Allow", "Action": "*", "Resource": "arn"},
               {"Ref": "AWS::NoValue"}]}),
    ];
    for role in &roles {
        for plant in &plants {
            let mut copy = clean.clone();
            let document = &mut copy["Resources"][role]["Properties"]["Policies"][0];
            let statements = document["PolicyDocument"]["Statement"].as_array_mut();
            statements.expect("statements").push(plant.clone());
            let found = roles::violations(&copy);
            let expected = format!("{role}: Planted has a wildcard without a reason");
            assert_eq!(found, [expected], "{plant}");
        }
    }
}

#[test]
fn a_wildcard_planted_in_the_text_is_found() {
    let text = read::text();
    let planted = text.replacen("Action: dynamodb:PutItem", "Action: dynamodb:*", 1);
    assert_ne!(text, planted);
    assert_eq!(roles::violations(&read::read(&planted)).len(), 1);
}

#[test]
fn permissions_that_nobody_wrote_are_found() {
    for (property, value) in [
        ("Policies", json!(["AmazonDynamoDBFullAccess"])),
        ("Role", json!("arn:aws:iam::000000000000:role/admin")),
        ("Events", json!({"Stream": {"Type": "Kinesis"}})),
    ] {
        let mut copy = template();
        copy["Resources"]["ConnectFunction"]["Properties"][property] = value;
        assert_eq!(roles::violations(&copy).len(), 1, "{property}");
    }
    let mut copy = template();
    let role = &mut copy["Resources"]["ConnectRole"]["Properties"];
    role["ManagedPolicyArns"] = json!(["arn:aws:iam::aws:policy/AdministratorAccess"]);
    assert_eq!(roles::violations(&copy).len(), 1);
}

#[test]
fn nobody_may_read_whole_tables_or_change_secrets_and_roles() {
    let template = template();
    let banned = ["dynamodb:Scan", "secretsmanager:Put", "secretsmanager:Update", "iam:", "sts:"];
    for (role, _) in of_kind(&template, "AWS::IAM::Role") {
        for action in roles::actions(&template, role) {
            let of_organizations = ["PutSecretValue", "UpdateSecretVersionStage"]
                .map(|name| format!("secretsmanager:{name}"));
            // Whoever serves the organizations API changes their secrets, and nobody else.
            if role == "UsersApiRole" && of_organizations.contains(&action) {
                continue;
            }
            let found = banned.iter().find(|banned| action.starts_with(**banned));
            assert_eq!(found, None, "{role} may {action}");
        }
    }
}

#[test]
fn recordings_have_a_rule_for_each_time_that_an_organization_may_choose() {
    let template = template();
    let bucket = &template["Resources"]["RecordingsBucket"]["Properties"];
    let rules = bucket["LifecycleConfiguration"]["Rules"].as_array().expect("rules");
    let days = rules.iter().filter_map(|rule| {
        let days = rule["ExpirationInDays"].as_u64()?;
        let tag = &rule["TagFilters"][0];
        let said = tag["Value"].as_str()?.parse();
        let is_chosen = tag["Key"] == "retention-days" && said == Ok(days);
        (is_chosen && rule["Prefix"] == "recordings/").then_some(days)
    });
    let known = Organization::RETENTION_DAYS.map(u64::from);
    assert_eq!(days.collect::<Vec<_>>(), known);
    // Without a tag of its own, a rule would count for all of them, and the shortest counts.
    let whole = rules
        .iter()
        .filter(|rule| rule["Prefix"] == "recordings/" && rule.get("TagFilters").is_none());
    assert_eq!(whole.count(), 0);
    let own = &rules.iter().find_map(|rule| rule.get("Fn::If")).expect("the stack's own")[1];
    assert_eq!(own["TagFilters"], json!([{ "Key": "retention-days", "Value": "default" }]));
}

#[test]
fn with_every_combination_of_options_references_lead_somewhere() {
    assert_eq!(conditions::broken_references(&template()), Vec::<String>::new());
}

#[test]
fn every_option_can_be_on_and_off() {
    assert_eq!(conditions::fixed_conditions(&template()), Vec::<String>::new());
}

#[test]
fn a_reference_that_forgets_its_condition_is_found() {
    let mut copy = template();
    copy["Outputs"]["AudioUri"].as_object_mut().expect("an output").remove("Condition");
    copy["Outputs"]["AudioUri"]["Value"] = json!({"Fn::GetAtt": ["Balancer", "DNSName"]});
    let broken = conditions::broken_references(&copy);
    assert!(broken.len() == 1 && broken[0].contains("absent with {\"AudioDoor\""), "{broken:?}");
    copy["Outputs"]["AudioUri"]["Value"] = json!({"Ref": "Balance"});
    let broken = conditions::broken_references(&copy);
    assert_eq!(broken, ["AudioUri refers to Balance, which is nowhere"]);
}

#[test]
fn every_parameter_is_described_and_bounded() {
    let template = template();
    let grouped: BTreeSet<&str> =
        template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
            .as_array()
            .expect("groups")
            .iter()
            .flat_map(|group| group["Parameters"].as_array().expect("parameters"))
            .filter_map(Value::as_str)
            .collect();
    let parameters = template["Parameters"].as_object().expect("parameters");
    for (name, parameter) in parameters {
        let described = parameter["Description"].as_str().is_some_and(|text| text.len() > 20);
        assert!(described, "{name} has no description");
        let bounds = ["AllowedPattern", "AllowedValues", "MinValue"];
        let bounded = bounds.iter().any(|bound| parameter.get(bound).is_some());
        assert!(bounded, "{name} takes anything");
        assert!(parameter.get("Default").is_some(), "{name}: a bare deployment would ask for it");
        assert!(grouped.contains(name.as_str()), "{name} is in no group");
    }
    assert_eq!(grouped.len(), parameters.len(), "groups name parameters that are not there");
}

#[test]
fn what_others_look_up_is_there() {
    let template = template();
    for output in OUTPUTS {
        assert!(template["Outputs"].get(output).is_some(), "{output}");
    }
    let shared = &template["Globals"]["Function"]["Environment"]["Variables"];
    for variable in ["CALLS_TABLE", "USERS_TABLE", "TRACKER_TABLE", "STREAM", "LISTEN", "LOG"] {
        assert!(shared.get(format!("SIDETONE_{variable}")).is_some(), "{variable}");
    }
    let own = [
        ("Connect", "KEYS_SECRET"),
        ("Connect", "PUBLIC_URL"),
        ("Connect", "MANAGEMENT_ENDPOINT"),
        ("Message", "MANAGEMENT_ENDPOINT"),
        ("Disconnect", "MANAGEMENT_ENDPOINT"),
        ("Sweep", "MANAGEMENT_ENDPOINT"),
        ("Tracker", "GENESYS_SECRET"),
        ("Tracker", "GENESYS_REGION"),
        ("Tracker", "HOLD_SECONDS"),
        ("GenesysEvents", "GENESYS_SECRET"),
        ("GenesysEvents", "GENESYS_REGION"),
        ("Recorder", "RECORDINGS_BUCKET"),
        ("UsersImport", "USERS_BUCKET"),
        ("UsersApi", "ORGANIZATION_CLAIM"),
        ("UsersApi", "GENESYS_SECRET"),
        ("UsersApi", "KEYS_SECRET"),
        ("UsersApi", "GENESYS_REGION"),
    ];
    for (function, variable) in own {
        let properties = &template["Resources"][format!("{function}Function")]["Properties"];
        let variables = &properties["Environment"]["Variables"];
        assert!(variables.get(format!("SIDETONE_{variable}")).is_some(), "{function}: {variable}");
    }
}

#[test]
fn every_function_has_a_log_that_is_kept_for_a_while_and_encrypted() {
    let template = template();
    let functions = of_kind(&template, "AWS::Serverless::Function").count();
    assert_eq!(functions, FUNCTIONS.len());
    for name in FUNCTIONS {
        let properties = &template["Resources"][format!("{name}Function")]["Properties"];
        assert_eq!(properties["LoggingConfig"]["LogGroup"]["Ref"], format!("{name}Log"));
        assert!(properties["Timeout"].is_number() && properties["MemorySize"].is_number());
    }
    for (name, log) in of_kind(&template, "AWS::Logs::LogGroup") {
        let properties = &log["Properties"];
        assert_eq!(properties["RetentionInDays"]["Ref"], "LogRetentionDays", "{name}");
        assert_eq!(properties["KmsKeyId"]["Fn::GetAtt"][0], "Key", "{name}");
    }
}

#[test]
fn what_holds_calls_is_encrypted_backed_up_and_kept() {
    let template = template();
    let kept = ["CallsTable", "UsersTable", "TrackerTable", "CallStream", "KeysSecret"];
    for name in kept.into_iter().chain(["GenesysSecret", "RecordingsBucket", "UsersBucket", "Key"])
    {
        let resource = &template["Resources"][name];
        assert_eq!(resource["DeletionPolicy"], "RetainExceptOnCreate", "{name}");
        assert_eq!(resource["UpdateReplacePolicy"], "Retain", "{name}");
    }
    for (name, table) in of_kind(&template, "AWS::DynamoDB::Table") {
        let properties = &table["Properties"];
        assert_eq!(properties["TimeToLiveSpecification"]["AttributeName"], "ttl", "{name}");
        let backups = &properties["PointInTimeRecoverySpecification"];
        assert_eq!(backups["PointInTimeRecoveryEnabled"], true, "{name}");
        assert_eq!(properties["SSESpecification"]["SSEType"], "KMS", "{name}");
    }
}

#[test]
fn what_runs_by_itself_is_not_started_twice_for_one_minute() {
    let template = template();
    for (name, schedule) in of_kind(&template, "AWS::Scheduler::Schedule") {
        let target = &schedule["Properties"]["Target"];
        assert_eq!(target["RetryPolicy"]["MaximumRetryAttempts"], 0, "{name}");
        let function = target["Arn"]["Fn::GetAtt"][0].as_str().expect("a function");
        let properties = &template["Resources"][function]["Properties"];
        assert_eq!(properties["EventInvokeConfig"]["MaximumRetryAttempts"], 0, "{function}");
    }
}
