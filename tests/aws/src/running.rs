//! Everything at once: the local AWS, the deployed stack, the front, the door.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::join_all;
use sidetone_ports::Clock;

use crate::addresses::{ADDRESSES_VARIABLE, Addresses, Stack};
use crate::args::StartArgs;
use crate::child::Child;
use crate::cloud::{Cloud, Keys, REGION};
use crate::deployment::{Deployment, Kind, Surroundings, put_secret};
use crate::door::{self, Door, Service};
use crate::empty_root::EmptyRoot;
use crate::emulator::Emulator;
use crate::error::LocalError;
use crate::free_ports::free_ports;
use crate::front::{Api, AskConnect, Front, FrontConfig, Limits};
use crate::genesys::Genesys;
use crate::issuer::Issuer;
use crate::progress::Progress;
use crate::tools::Tools;

/// The stage of the API, which is the path of its URL.
const STAGE: &str = "audiohook";

/// Everything that runs; what is dropped without [`Running::stop`] is killed.
pub struct Running {
    emulator: Emulator,
    _fronts: [Front; 2],
    doors: Vec<Door>,
    addresses: Addresses,
}

impl Running {
    /// Starts everything.
    ///
    /// Errors: [`LocalError`] of the first part that does not start; the others are stopped.
    pub async fn start(args: &StartArgs, progress: &Progress) -> Result<Self, LocalError> {
        let places = Places::prepare(&args.root)?;
        let (target, run) = (places.target.as_path(), places.run.as_path());
        let tools = Tools::prepare(args.venv.clone(), target, run, progress).await?;
        let deployment = Deployment::new(&tools, &places.root, target, run);
        if !args.no_build {
            progress.say("building the functions for x86-64 (sam build)");
            deployment.build().await?;
        }
        let door = match &args.door {
            Some(binary) => absolute(binary)?,
            None => {
                progress.say("building the ALB door");
                door::build(&cargo(), &places.root, run).await?
            }
        };
        progress.say("starting the local AWS");
        let emulator = Emulator::start(&tools, args.port, run).await?;
        let issuer = Issuer::publish(emulator.endpoint(), &emulator.cloud()?).await?;
        let site = Site { deployment: &deployment, emulator: &emulator, issuer: &issuer };
        progress.say("deploying template.yaml (sam deploy)");
        let genesys = Genesys::new(free_ports(3)?);
        let (stack, front) = site.deploy(Kind::Usual, &genesys).await?;
        progress.say("deploying it again, with media as text, and a tracking door");
        // Elsewhere: two trackers would ask one organization twice as much as it likes, and one
        // that listens says nothing of the other.
        let elsewhere = Genesys { bind: free_ports(3)?, ..genesys.clone() };
        let (text_stack, text_front) = site.deploy(Kind::TextMedia, &elsewhere).await?;
        let mut addresses = Addresses {
            endpoint: emulator.endpoint().to_owned(),
            authority: emulator.authority().to_owned(),
            region: REGION.to_owned(),
            keys: Keys::root(),
            stack,
            text_stack,
            genesys,
            text_genesys: elsewhere,
            issuer: issuer.clone(),
            processes: BTreeMap::new(),
            run: run.to_owned(),
            build: deployment.build_folder().to_owned(),
        };
        progress.say("provisioning users");
        provision(&addresses).await?;
        let doors = open_doors(&door, &emulator.cloud()?, &addresses, progress).await?;
        let mut urls = doors.iter().map(|door| door.url().to_owned());
        addresses.stack.audio_door = urls.next();
        (addresses.stack.ready_door, addresses.stack.always_door) = (urls.next(), urls.next());
        addresses.text_stack.audio_door = urls.next();
        let ids = doors.iter().map(|door| (door.name().to_owned(), door.id()));
        let ids = ids.chain([("ministack".to_owned(), emulator.id())]);
        addresses.processes = ids.filter_map(|(name, id)| Some((name, id?))).collect();
        Ok(Self { emulator, _fronts: [front, text_front], doors, addresses })
    }

    /// Returns where everything is.
    pub const fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Stops everything, the doors first: they say goodbye through the local AWS.
    ///
    /// Errors: [`LocalError::Failed`] if a door does not end in order.
    pub async fn stop(self) -> Result<(), LocalError> {
        let ended = join_all(self.doors.into_iter().map(Door::stop)).await;
        self.emulator.stop().await;
        ended.into_iter().collect()
    }
}

/// What a stack is deployed into.
struct Site<'a> {
    deployment: &'a Deployment<'a>,
    emulator: &'a Emulator,
    issuer: &'a Issuer,
}

impl Site<'_> {
    /// Deploys a stack, fills its secrets, and opens its API Gateway door.
    async fn deploy(&self, kind: Kind, genesys: &Genesys) -> Result<(Stack, Front), LocalError> {
        let config = FrontConfig {
            clock: Clock::system(),
            bind: (Ipv4Addr::LOCALHOST, 0).into(),
            path: format!("/{STAGE}"),
            limits: Limits::AWS,
        };
        // Before the stack, which has to know its address.
        let front = Front::bind(config).await.map_err(LocalError::Listen)?;
        let (cloud, api_door) = (self.emulator.cloud()?, front.url());
        let around = Surroundings {
            endpoint: self.emulator.endpoint(),
            authority: self.emulator.authority(),
            public_url: &api_door,
            genesys: genesys.base_urls(),
            issuer: self.issuer,
        };
        let outputs = self.deployment.deploy(kind, &cloud, &around).await?;
        let name = kind.name().to_owned();
        let stack = Stack {
            name,
            outputs,
            api_door,
            audio_door: None,
            ready_door: None,
            always_door: None,
        };
        let (keys, client) = (genesys.keys_secret(), genesys.client_secret());
        put_secret(&cloud, stack.output("KeysSecretArn")?, &keys).await?;
        put_secret(&cloud, stack.output("GenesysSecretArn")?, &client).await?;
        front.leads_to(self.api(&stack)?);
        Ok((stack, front))
    }

    fn api(&self, stack: &Stack) -> Result<Api, LocalError> {
        let id = stack.output("ApiId")?;
        let host = self.emulator.endpoint().trim_start_matches("http");
        let url = format!("ws{host}/_aws/execute-api/{id}/{STAGE}");
        let (cloud, function) = (self.emulator.cloud()?, stack.output("ConnectFunction")?);
        let function = function.to_owned();
        let ask: AskConnect = Arc::new(move |event| {
            let (cloud, function) = (cloud.clone(), function.clone());
            Box::pin(async move {
                let answer = cloud.invoke(&function, &event).await.ok()?;
                answer.payload["statusCode"].as_u64().and_then(|code| u16::try_from(code).ok())
            })
        });
        Ok(Api { url, trust: self.emulator.trust().clone(), ask: Some(ask) })
    }
}

/// Where things are written.
struct Places {
    root: PathBuf,
    target: PathBuf,
    run: PathBuf,
}

impl Places {
    fn prepare(root: &Path) -> Result<Self, LocalError> {
        let root = absolute(root)?;
        let target = root.join("target/aws");
        let run = target.join("run");
        let file = |source| LocalError::File { path: run.clone(), source };
        // State of an earlier run is of no use to this one.
        if run.exists() {
            std::fs::remove_dir_all(&run).map_err(file)?;
        }
        std::fs::create_dir_all(&run).map_err(file)?;
        Ok(Self { root, target, run })
    }
}

fn absolute(path: &Path) -> Result<PathBuf, LocalError> {
    let file = |source| LocalError::File { path: path.to_owned(), source };
    std::fs::canonicalize(path).map_err(file)
}

/// Returns the cargo that runs us, or any.
pub(crate) fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// Has this program provision users, once more, with the variables by which the SDK finds the
/// local AWS: they cannot be set in a process that runs.
async fn provision(addresses: &Addresses) -> Result<(), LocalError> {
    let failed = |source| LocalError::Program { program: "aws-local".to_owned(), source };
    let mut command = tokio::process::Command::new(std::env::current_exe().map_err(failed)?);
    command.arg("provision").env(ADDRESSES_VARIABLE, addresses.to_json()?);
    command.envs(addresses.environment());
    Child::start("provision", command, &addresses.run)?.finish().await
}

/// Opens the three doors of the usual stack, and the one of the other.
async fn open_doors(
    binary: &Path,
    cloud: &Cloud,
    addresses: &Addresses,
    progress: &Progress,
) -> Result<Vec<Door>, LocalError> {
    progress.say("starting the ALB doors");
    let root = EmptyRoot::lay_out(&addresses.run.join("image"), binary, &addresses.authority)?;
    let (stack, text_stack) = (&addresses.stack, &addresses.text_stack);
    let mut doors = Vec::new();
    for (stack, name, listen) in [
        (stack, "door", None),
        (stack, "door-ready", Some("ready")),
        (stack, "door-always", Some("always")),
        (text_stack, "door-tracking", None),
    ] {
        let definition = stack.output("ServiceTaskDefinition")?;
        let role = stack.output("ServiceTaskRoleArn")?;
        let service = Service::deployed(cloud, definition, role, root.clone()).await?;
        doors.push(Door::start(cloud, addresses, stack, &service, (name, listen)).await?);
    }
    Ok(doors)
}
