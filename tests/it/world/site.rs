//! One installation: a data directory, a configuration, a simulated Genesys Cloud of its own.

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sidetone_audiohook_proto::{KeyId, Secret};
use sidetone_genesys_sim::{Cast, Person, Platform, PlatformConfig, Stage, Standing, Target};
use sidetone_model::OrganizationId;
use sidetone_ports::Clock;
use tempfile::TempDir;
use uuid::Uuid;

use super::process::{Finished, Process, sidetone};

/// The tenant of every site.
pub(crate) const ORGANIZATION: OrganizationId =
    OrganizationId::new(Uuid::from_u128(0x5ca1_ab1e_0b0a_4908_8706_0504_0302_0100));

const CLIENT_ID: &str = "5ecbeef0-0000-4000-8000-0000000000c1";

/// The OAuth client's secret, which no log may show.
const CLIENT_SECRET: &str = "oauth-secret-of-this-test";

/// An agent of ours.
pub(crate) fn ada() -> &'static Person {
    Cast::of(Standing::Ours).next().expect("the cast has agents of ours")
}

/// Another agent of ours.
pub(crate) fn bo() -> &'static Person {
    Cast::of(Standing::Ours).nth(1).expect("the cast has two agents of ours")
}

/// What `secrets new` printed.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    pub(crate) api_key: String,
    /// In base64.
    pub(crate) secret: String,
}

/// An installation that is ready to run.
pub(crate) struct Site {
    directory: TempDir,
    pub(crate) clock: Clock,
    pub(crate) platform: Platform,
    pub(crate) credentials: Credentials,
}

impl Site {
    /// Makes an installation with users and a key, as an administrator would; `audiohook` is
    /// that part of the configuration file.
    pub(crate) async fn new(audiohook: &str) -> Self {
        Self::with(audiohook, |_| {}).await
    }

    /// The same with a Genesys Cloud that a test changes first.
    pub(crate) async fn with(audiohook: &str, change: impl FnOnce(&mut PlatformConfig)) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let clock = Clock::system();
        // Without those whose agent ids collide: each start would complain of them.
        let alone = Cast::everyone().iter().filter(|one| one.standing != Standing::Colliding);
        let users = alone.map(Person::sim_user).collect();
        let mut config = PlatformConfig::new(clock, ORGANIZATION, CLIENT_ID, CLIENT_SECRET, users);
        change(&mut config);
        let platform = Platform::start(config).await.expect("loopback has free ports");
        let nothing = Credentials { api_key: String::new(), secret: String::new() };
        let mut site = Self { directory, clock, platform, credentials: nothing };
        site.write_config(audiohook);
        site.import_users().await;
        site.credentials = site.new_secret(&[]).await;
        site
    }

    fn write_config(&self, audiohook: &str) {
        let (login, api) = self.platform.base_urls();
        let secret = self.path("oauth-secret");
        std::fs::write(&secret, CLIENT_SECRET).expect("writable");
        std::fs::set_permissions(&secret, Permissions::from_mode(0o600)).expect("its owner's");
        let text = format!(
            "listen = \"127.0.0.1:0\"\n\
             data = {data:?}\n\
             [audiohook]\n\
             {audiohook}\n\
             [genesys]\n\
             hosts = {{ login = \"{login}\", api = \"{api}\" }}\n\
             client_id = \"{CLIENT_ID}\"\n\
             client_secret_file = {secret:?}\n",
            data = self.data(),
        );
        std::fs::write(self.config(), text).expect("writable");
    }

    async fn import_users(&self) {
        let mut csv = "name,email,adaptor,team,supervisor,site,status\n".to_owned();
        for person in Cast::of(Standing::Ours) {
            let Person { name, username, team, supervisor, .. } = person;
            csv += &format!("{name},{username},genesys-cloud,{team},{supervisor},Main,active\n");
        }
        let file = self.path("users.csv");
        std::fs::write(&file, csv).expect("writable");
        let file = file.display().to_string();
        let done = self
            .sidetone(["users", "import", &file, "--organization", &ORGANIZATION.to_string()])
            .await;
        assert_eq!(done.code, Some(0), "{done:#?}");
    }

    /// Has the command make a secret.
    pub(crate) async fn new_secret(&self, more: &[&str]) -> Credentials {
        let organization = ORGANIZATION.to_string();
        let mut arguments = vec!["secrets", "new", "--json", "--organization", &organization];
        arguments.extend(more);
        let done = self.sidetone(arguments).await;
        assert_eq!(done.code, Some(0), "{done:#?}");
        let made = done.json();
        let text = |field: &str| made[field].as_str().expect("a text").to_owned();
        Credentials { api_key: text("api_key"), secret: text("client_secret") }
    }

    /// Returns a path beside the data directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Returns the configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.path("sidetone.toml")
    }

    /// Returns the data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// Runs a command on this site's data to its end.
    pub(crate) async fn sidetone<'a>(
        &self,
        arguments: impl IntoIterator<Item = &'a str>,
    ) -> Finished {
        sidetone(self.with_data(arguments)).await
    }

    /// Starts a command on this site's data.
    pub(crate) fn start<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Process {
        Process::sidetone(self.with_data(arguments))
    }

    fn with_data<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let mut all: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
        all.extend(["--data".to_owned(), self.data().display().to_string()]);
        all
    }

    /// Starts `sidetone run` and waits until it follows its agents.
    pub(crate) async fn run(&self) -> Running {
        self.run_with(&[]).await
    }

    /// Starts `sidetone run` with more arguments.
    pub(crate) async fn run_with(&self, more: &[&str]) -> Running {
        let config = self.config().display().to_string();
        let mut arguments = vec!["run", "--json", "--config", &config];
        arguments.extend(more);
        let running = Self::listening(Process::sidetone(arguments)).await;
        let follows = |text: &str| text.starts_with("Genesys: connected");
        let told = running
            .process
            .told("that it follows agents", |told| told["text"].as_str().is_some_and(follows));
        told.await;
        running
    }

    /// Starts `sidetone run` on this site's data without anybody to follow.
    pub(crate) async fn run_deaf(&self) -> Running {
        Self::listening(self.start(["run", "--json", "--listen", "127.0.0.1:0"])).await
    }

    /// Waits until a started `sidetone run` says where it listens.
    pub(crate) async fn listening(process: Process) -> Running {
        let started = process.told("where it listens", |told| told["type"] == "started").await;
        let url = started["url"].as_str().expect("a URL").to_owned();
        let (_, rest) = url.split_once("//").expect("a URL");
        let (address, _) = rest.split_once('/').expect("with a path");
        let address = address.parse().expect("loopback and a port");
        Running { process, url, address }
    }

    /// Returns this site's door as the simulated Genesys knows it.
    pub(crate) fn target(&self, running: &Running) -> Target {
        let secret = Secret::from_base64(&self.credentials.secret).expect("base64");
        let key = KeyId::new(self.credentials.api_key.as_str());
        Target::new(&running.url, ORGANIZATION, key, Some(secret)).expect("a door's own URL")
    }

    /// Returns a stage on which scripts are played against this site.
    pub(crate) fn stage(&self, running: &Running) -> Stage {
        let (target, platform) = (self.target(running), Some(self.platform.clone()));
        Stage { clock: self.clock, target, platform, sound: None, administrator: None }
    }
}

/// A running `sidetone run`.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) process: Process,
    /// The door's address for AudioHook clients.
    pub(crate) url: String,
    /// The same, for sockets.
    pub(crate) address: SocketAddr,
}

/// How long a system without calls may take to end; its recorder has work, its disk is busy.
const END_WITHIN: Duration = Duration::from_secs(20);

impl Running {
    /// Ends it as Ctrl-C does, and returns what it had printed.
    pub(crate) async fn stop(self) -> Finished {
        self.process.signal("INT").await;
        let finished = self.process.finish(END_WITHIN).await;
        assert_eq!(finished.code, Some(0), "{finished:#?}");
        finished
    }

    /// Waits until a session is shown in a state, such as `listening`.
    pub(crate) async fn session_is(&self, session: impl ToString, state: &str) {
        let session = session.to_string();
        let what = format!("that session {session} is {state}");
        let check = |told: &serde_json::Value| {
            told["type"] == "session" && told["session_id"] == session && told["state"] == state
        };
        self.process.told(&what, check).await;
    }

    /// Waits for the recording of a session.
    pub(crate) async fn recorded(&self, session: impl ToString) {
        let session = session.to_string();
        let what = format!("of the recording of session {session}");
        let check = |told: &serde_json::Value| {
            told["type"] == "recording"
                && told["file"].as_str().is_some_and(|file| file.contains(&session))
        };
        self.process.told(&what, check).await;
    }
}

/// Returns where a site's recordings lie.
pub(crate) fn recordings(data: &Path) -> PathBuf {
    data.join("recordings")
}
