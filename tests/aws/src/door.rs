//! The ALB door's real binary in the image's file system, with all that the deployed task
//! definition says of it and the credentials of the deployed task role.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::addresses::{Addresses, Stack};
use crate::child::Child;
use crate::cloud::{Cloud, REGION};
use crate::empty_root::{DOOR, EmptyRoot};
use crate::error::LocalError;
use crate::free_ports::free_ports;

/// How long it may take to start.
const START_LIMIT: Duration = Duration::from_secs(30);

/// The container in the task definition that is the door.
const CONTAINER: &str = "door";

/// The variable with the port on which it listens.
const PORT: &str = "SIDETONE_PORT";

/// What was deployed of the service, and what the image has.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    container: Container,
    role: String,
    root: EmptyRoot,
}

/// What the task definition says of the door's container.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Container {
    environment: Vec<(String, String)>,
    user: String,
    port: u16,
    /// The program of the health check, with its arguments.
    health: Vec<String>,
}

impl Service {
    /// Reads what is deployed, and lays out the image's files.
    ///
    /// Errors: [`LocalError`] if the task definition lacks something.
    pub(crate) async fn deployed(
        cloud: &Cloud,
        definition: &str,
        role: &str,
        root: EmptyRoot,
    ) -> Result<Self, LocalError> {
        let target = "AmazonEC2ContainerServiceV20141113.DescribeTaskDefinition";
        let answer = cloud.json("ecs", target, &json!({ "taskDefinition": definition })).await?;
        let containers = answer["taskDefinition"]["containerDefinitions"].as_array();
        let door = containers.and_then(|all| all.iter().find(|one| one["name"] == CONTAINER));
        let door = door.ok_or_else(|| LocalError::missing("the task definition", "door"))?;
        Ok(Self { container: Container::read(door)?, role: role.to_owned(), root })
    }

    /// Returns the port that it listens on, if nobody else does on this machine, or another.
    fn port(&self) -> Result<u16, LocalError> {
        let wanted = self.container.port;
        match TcpListener::bind((Ipv4Addr::UNSPECIFIED, wanted)) {
            Ok(_) => Ok(wanted),
            Err(_) => Ok(free_ports(1)?.port()),
        }
    }
}

impl Container {
    fn read(door: &Value) -> Result<Self, LocalError> {
        let lacks = |what| LocalError::missing("the door's container definition", what);
        let variable = |pair: &Value| {
            let (name, value) = (pair["name"].as_str()?, pair["value"].as_str()?);
            Some((name.to_owned(), value.to_owned()))
        };
        let variables = door["environment"].as_array().ok_or_else(|| lacks("environment"))?;
        let user = door["user"].as_str().ok_or_else(|| lacks("user"))?.to_owned();
        let port = door["portMappings"][0]["containerPort"].as_u64();
        let port = port.and_then(|port| u16::try_from(port).ok());
        // The local AWS leaves the inner names as CloudFormation writes them.
        let check = &door["healthCheck"];
        let command = check["command"].as_array().or_else(|| check["Command"].as_array());
        let health = command.map(Vec::as_slice);
        let Some([kind, health @ ..]) = health else { return Err(lacks("health check")) };
        let health = health.iter().filter_map(|word| Some(word.as_str()?.to_owned()));
        let health: Vec<_> = health.collect();
        // A shell's would need a shell.
        if kind != "CMD" || health.is_empty() {
            return Err(lacks("health check that is a program"));
        }
        Ok(Self {
            environment: variables.iter().filter_map(variable).collect(),
            user,
            port: port.ok_or_else(|| lacks("port"))?,
            health,
        })
    }
}

/// A running door.
#[derive(Debug)]
pub(crate) struct Door {
    child: Child,
    url: String,
}

impl Door {
    /// Starts the door as the deployed service would: the image's files, the definition's
    /// environment, user, port and health check, the role's credentials. One that is to listen
    /// in a way of its own is told so; only the first has the definition's port.
    ///
    /// Errors: [`LocalError`] if it does not start, or is not healthy.
    pub(crate) async fn start(
        cloud: &Cloud,
        addresses: &Addresses,
        stack: &Stack,
        service: &Service,
        (name, listen): (&str, Option<&str>),
    ) -> Result<Self, LocalError> {
        let Service { container, role, root } = service;
        let keys = cloud.assume_service_role(role, "aws-local-door").await?;
        let port = service.port()?;
        let program = |program: &str| {
            let mut command = root.command(program, &container.user);
            command
                .envs(container.environment.iter().map(|(name, value)| (name, value)))
                .env("AWS_REGION", REGION)
                .env("AWS_ENDPOINT_URL", &addresses.endpoint)
                .envs(keys.environment())
                .env(PORT, port.to_string())
                .envs(listen.map(|listen| ("SIDETONE_LISTEN", listen)));
            command
        };
        let mut child = Child::start(name, program(DOOR), &addresses.run)?;
        let (check, arguments) = container.health.split_first().unwrap_or((&container.user, &[]));
        let look = async || {
            let mut check = program(check);
            check.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
            check.status().await.is_ok_and(|status| status.success())
        };
        child.until(START_LIMIT, look).await?;
        let path = stack.output("AudioUri")?.splitn(4, '/').nth(3).unwrap_or_default();
        Ok(Self { url: format!("ws://127.0.0.1:{port}/{path}"), child })
    }

    /// Returns what it is called.
    pub(crate) fn name(&self) -> &str {
        self.child.name()
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
    ///
    /// Errors: [`LocalError::Failed`] if it does not end in order.
    pub(crate) async fn stop(self) -> Result<(), LocalError> {
        self.child.stop().await
    }
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
