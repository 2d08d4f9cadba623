//! The ALB door's real binary, with the environment of the deployed task definition and the
//! credentials of the deployed task role.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::addresses::Addresses;
use crate::certificates::Trust;
use crate::child::Child;
use crate::cloud::{Cloud, REGION};
use crate::emulator::free_ports;
use crate::error::LocalError;

/// How long it may take to start.
const START_LIMIT: Duration = Duration::from_secs(30);

/// The container in the task definition that is the door.
const CONTAINER: &str = "door";

/// What the load balancer asks.
const HEALTH: &str = "/healthz";

/// What was deployed of the service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Service<'a> {
    /// The ARN of its task definition.
    pub(crate) definition: &'a str,
    /// The ARN of its tasks' role.
    pub(crate) role: &'a str,
}

/// A running door.
#[derive(Debug)]
pub(crate) struct Door {
    child: Child,
    url: String,
}

impl Door {
    /// Starts a binary as the deployed service would, but listening in a way of its own if one
    /// is given.
    ///
    /// Errors: [`LocalError`] if the task definition lacks something, or the door does not start.
    pub(crate) async fn start(
        binary: &Path,
        cloud: &Cloud,
        addresses: &Addresses,
        service: &Service<'_>,
        listen: Option<&str>,
    ) -> Result<Self, LocalError> {
        let environment = environment(cloud, service.definition).await?;
        let keys = cloud.assume_service_role(service.role, "aws-local-door").await?;
        let port = free_ports(1)?.port();
        let run = addresses.run.as_path();
        let mut command = Command::new(binary);
        command
            .env_clear()
            .current_dir(run)
            .envs(environment)
            .env("AWS_REGION", REGION)
            .env("AWS_ENDPOINT_URL", &addresses.endpoint)
            .env("SSL_CERT_FILE", &addresses.authority)
            .envs(keys.environment())
            // The one in the definition may be somebody else's here.
            .env("SIDETONE_PORT", port.to_string())
            .envs(listen.map(|listen| ("SIDETONE_LISTEN", listen)));
        let name = listen.map_or("door".to_owned(), |listen| format!("door-{listen}"));
        let mut child = Child::start(&name, command, run)?;
        let health = format!("http://127.0.0.1:{port}{HEALTH}");
        let http = Trust::nobody().http(Duration::from_secs(2)).map_err(LocalError::Http)?;
        let look = async || {
            let answer = http.get(&health).send().await;
            answer.is_ok_and(|answer| answer.status().is_success())
        };
        child.until(START_LIMIT, look).await?;
        let path = addresses.stack.output("AudioUri")?.splitn(4, '/').nth(3).unwrap_or_default();
        Ok(Self { url: format!("ws://127.0.0.1:{port}/{path}"), child })
    }

    /// Returns the URL that clients dial and sign.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Returns its process id.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Ends it as Fargate does: SIGTERM first.
    pub(crate) async fn stop(self) {
        self.child.stop().await;
    }
}

/// Reads the environment of the door's container out of a task definition.
async fn environment(cloud: &Cloud, definition: &str) -> Result<Vec<(String, String)>, LocalError> {
    let target = "AmazonEC2ContainerServiceV20141113.DescribeTaskDefinition";
    let answer = cloud.json("ecs", target, &json!({ "taskDefinition": definition })).await?;
    let containers = answer["taskDefinition"]["containerDefinitions"].as_array();
    let door = containers.and_then(|all| all.iter().find(|one| one["name"] == CONTAINER));
    let door = door.ok_or_else(|| LocalError::missing("the task definition", "door"))?;
    let variable = |pair: &Value| {
        let (name, value) = (pair["name"].as_str()?, pair["value"].as_str()?);
        Some((name.to_owned(), value.to_owned()))
    };
    Ok(door["environment"].as_array().into_iter().flatten().filter_map(variable).collect())
}

/// Builds the binary that the image holds, and returns it.
///
/// Errors: [`LocalError::Failed`] with the log.
pub(crate) async fn build(cargo: &str, root: &Path, run: &Path) -> Result<PathBuf, LocalError> {
    let mut command = Command::new("sh");
    command.current_dir(root).arg("infra/image/build.sh").env("CARGO", cargo);
    Child::start("door-build", command, run)?.finish().await?;
    Ok(root.join("target/image/amd64/sidetone-door"))
}
