//! Files of users, put into the deployed bucket: the events take S3's own way through EventBridge,
//! and the results are read where an administrator would.

use serde_json::{Value, json};
use sidetone_model::OrganizationId;
use sidetone_ports::{HistoryQuery, UserStore};
use sidetone_ports_aws::DynamoStore;
use sidetone_tests_aws::{Stack, tables};
use uuid::Uuid;

use crate::world::{World, deployed, until};

const FILE: &str = "\
name,email,adaptor,team
Ada,ada@a.example,genesys-cloud,Billing
Bo,bo@a.example,avaya,Billing
";

/// An organization of its own, and the bucket.
struct Folder {
    world: &'static World,
    organization: OrganizationId,
    bucket: &'static str,
    store: DynamoStore,
}

/// The stack into which no organization is entered, so that anybody's files are imported.
const fn stack(world: &World) -> &Stack {
    &world.at.text_stack
}

impl Folder {
    fn new(world: &'static World) -> Self {
        let bucket = stack(world).output("UsersBucketName").expect("an output");
        let store = world.aws.store(tables(stack(world)).expect("outputs"));
        Self { world, organization: OrganizationId::new(Uuid::new_v4()), bucket, store }
    }

    fn key(&self, rest: &str) -> String {
        format!("import/{}/{rest}", self.organization)
    }

    /// Puts a file, and waits for what became of it.
    async fn put(&self, rest: &str, file: impl Into<Vec<u8>>) -> Value {
        let (key, before) = (self.key(rest), self.result(rest).await);
        self.world.cloud.put_object(self.bucket, &key, file.into()).await.expect("it is put");
        until("the result of an import stands", async || {
            let result = self.result(rest).await;
            result.filter(|result| Some(result) != before.as_ref())
        })
        .await
    }

    async fn result(&self, rest: &str) -> Option<Value> {
        let key = self.key(&format!("{rest}.result.json"));
        let text = self.world.cloud.object(self.bucket, &key).await.expect("S3 answers")?;
        Some(serde_json::from_str(&text).expect("JSON"))
    }

    async fn agents(&self) -> Vec<String> {
        let users = self.store.users(self.organization).await.expect("the table answers");
        users.into_iter().map(|user| user.agent.to_string()).collect()
    }
}

#[test]
fn a_file_that_is_put_is_imported_and_the_next_one_changes_or_replaces() {
    deployed(async |world| {
        let folder = Folder::new(world);
        let name = "from HR/users & teams+1.csv";
        let result = folder.put(name, FILE).await;
        assert_eq!(result["file"], folder.key(name));
        assert_eq!(result["outcome"]["counts"]["added"], 2, "{result}");
        assert_eq!(folder.agents().await, ["ada", "bo"]);
        let query = HistoryQuery { agent: None, before: None, limit: 1 };
        let history = folder.store.user_history(folder.organization, &query).await.expect("some");
        let by = format!("s3://{}/{}", folder.bucket, folder.key(name));
        assert_eq!(history.entries[0].origin.by, by);

        let moved = "name,email,adaptor\nBo,bo@a.example,cisco\n";
        let result = folder.put("moved.csv", moved).await;
        let expected = json!({"added": 0, "changed": 0, "moved": 1, "removed": 0, "unchanged": 0});
        assert_eq!(result["outcome"]["counts"], expected);
        let result = folder.put("replace/confirmed/all.CSV", moved).await;
        assert_eq!(result["outcome"]["counts"]["removed"], 1, "{result}");
        assert_eq!(folder.agents().await, ["bo"]);
    });
}

#[test]
fn a_file_with_a_bad_row_changes_nothing_and_its_result_names_row_and_column() {
    deployed(async |world| {
        let folder = Folder::new(world);
        let result = folder.put("users.csv", format!("{FILE}Cy,,nortel,\n")).await;
        let problem = &result["problem"];
        assert_eq!(problem["status"], 422, "{result}");
        let first = json!({ "row": 4, "field": "email", "person": "Cy", "reason": "is empty" });
        assert_eq!(problem["errors"][0], first);
        assert_eq!(problem["errors"][1]["field"], "adaptor");
        assert_eq!(folder.agents().await, <[&str; 0]>::default());

        let large = vec![b'\n'; 5 * 1024 * 1024 + 1];
        let result = folder.put("users.csv", large).await;
        assert_eq!(result["problem"]["status"], 413, "{result}");
        let result = folder.put("users.csv", FILE).await;
        assert_eq!(result["outcome"]["counts"]["added"], 2, "mended, it is imported: {result}");
        let log = world.log_of(stack(world), "users-import").await.join("\n");
        assert!(log.contains("a file of users was refused"), "{log}");
        assert!(!log.contains("a.example") && !log.contains("Ada"), "nobody is named: {log}");
    });
}

/// The local AWS delivers once, so this gives the function the event again, as AWS may.
#[test]
fn an_event_that_is_given_again_undoes_nothing_that_was_done_since() {
    deployed(async |world| {
        let folder = Folder::new(world);
        let result = folder.put("users.csv", FILE).await;
        let edited = "name,email,adaptor\nAda,ada@a.example,cisco\n";
        folder.put("edited.csv", edited).await;
        let event = json!({
            "version": "0", "detail-type": "Object Created", "source": "aws.s3",
            "detail": {
                "version": "0",
                "bucket": { "name": folder.bucket },
                "object": {
                    "key": folder.key("users.csv"), "size": FILE.len(),
                    "etag": result["etag"], "sequencer": result["sequencer"],
                },
                "request-id": "N4N7GDK58NMKJ12R", "requester": "000000000000",
                "reason": "PutObject",
            },
        });
        let function = stack(world).output("UsersImportFunction").expect("an output");
        let again = world.cloud.invoke(function, &event).await.expect("it is invoked");
        assert_eq!(again.payload, json!({ "became": "known" }));
        let users = folder.store.users(folder.organization).await.expect("the table answers");
        assert_eq!(users[0].adaptor.as_str(), "cisco");
        assert_eq!(folder.result("users.csv").await, Some(result));
    });
}
