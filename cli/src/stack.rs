//! A deployed stack, as the commands see it that can work on one.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use sidetone_genesys_sim::Cast;
use sidetone_model::{Listen, OrganizationId, PlatformPlace};
use sidetone_ports::{Clock, SecretSource, UserStore};
use sidetone_ports_aws::{
    Aws, Begin, BucketRecordings, ConnectError, DynamoStore, GenesysClient, KinesisSource,
    ManagedSecrets, SecretsSource, StackOutputs, Tables,
};
use sidetone_tracking::{PlatformClient, StoredTenants};
use sidetone_users_api::{Platforms, TenantPlatforms};
use uuid::Uuid;

use crate::args::{GlobalArgs, TailFrom};
use crate::failure::Failure;
use crate::organization::SIMULATED_ORGANIZATION;
use crate::simulated::{Credentials, KEY_ID, Simulated};

/// A deployed stack.
pub(crate) struct Stack {
    aws: Aws,
    outputs: StackOutputs,
    store: DynamoStore,
    recordings: BucketRecordings,
    keys: SecretsSource,
}

impl Stack {
    /// Opens the stack that the command line names; nothing if it names none.
    ///
    /// Errors: what is missing to reach it, or in it.
    pub(crate) async fn named(global: &GlobalArgs) -> Result<Option<Self>, Failure> {
        let Some(name) = &global.stack else { return Ok(None) };
        let aws = Aws::connect()
            .await
            .map_err(|error @ ConnectError::NoRegion| Failure::bad_input(error.to_string()))?;
        let outputs = aws.outputs(name).await?;
        let tables = Tables {
            calls: outputs.output("CallsTable")?.to_owned(),
            users: outputs.output("UsersTable")?.to_owned(),
            tracker: outputs.output("TrackerTable")?.to_owned(),
        };
        Ok(Some(Self {
            store: aws.store(tables),
            recordings: aws.recordings(outputs.output("RecordingsBucket")?),
            keys: aws.keys(outputs.output("KeysSecretArn")?),
            aws,
            outputs,
        }))
    }

    pub(crate) fn name(&self) -> &str {
        self.outputs.stack()
    }

    pub(crate) const fn store(&self) -> &DynamoStore {
        &self.store
    }

    pub(crate) const fn recordings(&self) -> &BucketRecordings {
        &self.recordings
    }

    /// Returns where the secrets of all organizations are changed.
    ///
    /// Errors: the stack has no secrets.
    pub(crate) fn secrets(&self) -> Result<ManagedSecrets, Failure> {
        let (keys, clients) = ("KeysSecretArn", "GenesysSecretArn");
        Ok(self.aws.secrets(self.outputs.output(keys)?, self.outputs.output(clients)?))
    }

    /// Returns a reader of the stream that begins there.
    ///
    /// Errors: the stack has no stream.
    pub(crate) fn stream(&self, from: TailFrom) -> Result<KinesisSource, Failure> {
        let begin = match from {
            TailFrom::Start => Begin::Horizon,
            TailFrom::Now => Begin::Tip,
        };
        Ok(self.aws.source(self.outputs.output("StreamName")?, begin))
    }

    /// Returns the organizations that have a key.
    ///
    /// Errors: the secret cannot be read.
    pub(crate) async fn organizations(&self) -> Result<BTreeSet<OrganizationId>, Failure> {
        Ok(self.keys.organizations().await?.into_iter().collect())
    }

    /// Returns the organization that was named, else the only one that has a key.
    ///
    /// Errors: bad input if several have, or none.
    pub(crate) async fn organization(
        &self,
        named: Option<OrganizationId>,
    ) -> Result<OrganizationId, Failure> {
        if let Some(named) = named {
            return Ok(named);
        }
        let known = self.organizations().await?;
        let ids: Vec<String> = known.iter().map(ToString::to_string).collect();
        match (known.first(), known.len()) {
            (Some(only), 1) => Ok(*only),
            (None, _) => Err(Failure::bad_input("no organization has a key in this stack")
                .hint("say which with --organization, or enter its AudioHook key first")),
            (Some(_), _) => Err(Failure::bad_input("several organizations have keys here")
                .hint(format!("say which with --organization, one of {}", ids.join(", ")))),
        }
    }

    /// Returns the address of the stack's own door for audio.
    ///
    /// Errors: bad input if there is none that listens so.
    pub(crate) fn audio_uri(&self, listen: Listen) -> Result<&str, Failure> {
        let what = format!("no door is known that listens {listen:?}").to_lowercase();
        match self.outputs.optional("AudioUri") {
            Some(uri) if listen == Listen::Matched => Ok(uri),
            Some(_) | None => Err(Failure::bad_input(what)
                .hint("name one with --door, such as --door ready=wss://audio.example.net/")),
        }
    }

    /// Returns where the stack expects its simulated Genesys Cloud.
    ///
    /// Errors: bad input if it was deployed for a real one.
    fn platform_address(&self) -> Result<SocketAddr, Failure> {
        let url = self.outputs.parameter("GenesysLoginUrl").unwrap_or_default();
        let address = url.strip_prefix("http://").and_then(|rest| rest.parse().ok());
        address.ok_or_else(|| {
            let what = format!("stack {} does not follow a simulated Genesys Cloud", self.name());
            Failure::bad_input(what).hint(
                "simulate plays against a stack only where GenesysLoginUrl and GenesysApiUrl are \
                 addresses of this machine; `make aws-local` deploys one like that",
            )
        })
    }

    /// Returns the OAuth client of the stack's own region.
    async fn configured_client(&self) -> Result<GenesysClient, Failure> {
        let secret = self.aws.genesys_secret(self.outputs.output("GenesysSecretArn")?);
        secret.clients().await?.configured.ok_or_else(|| {
            Failure::bad_input("no OAuth client of the stack's own region was entered")
        })
    }

    /// Returns whose people a command is about, and the client to ask for them: of the
    /// organization that was named, else the one of the stack's own region.
    ///
    /// Errors: settings or secrets cannot be read; bad input if no client is known.
    pub(crate) async fn asked(
        &self,
        named: Option<OrganizationId>,
    ) -> Result<(OrganizationId, PlatformClient), Failure> {
        let parameter = |name| self.outputs.parameter(name).unwrap_or_default().to_owned();
        let configured = match self.outputs.parameter("GenesysLoginUrl") {
            Some(login) => {
                PlatformPlace::Hosts { login: login.to_owned(), api: parameter("GenesysApiUrl") }
            }
            None => PlatformPlace::Region(parameter("GenesysRegion")),
        };
        let source = StoredTenants {
            store: self.store.clone(),
            clients: self.aws.genesys_secret(self.outputs.output("GenesysSecretArn")?),
            configured: Some(configured),
            elsewhere: None,
        };
        let platforms = TenantPlatforms::new(source, None, Clock::system());
        // Nobody has the nil id, so what is found is the stack's own.
        let whose = named.unwrap_or(OrganizationId::new(Uuid::nil()));
        let platform = platforms
            .platform(whose)
            .await
            .map_err(|error| Failure::fault("the OAuth client cannot be had").because(error))?;
        let platform = platform.ok_or_else(|| {
            Failure::bad_input("no OAuth client is known for that")
                .hint("name an organization of `org list`, or see docs/deploy.md")
        })?;
        let organization = match named {
            Some(named) => named,
            None => platform.organization().await?,
        };
        Ok((organization, platform))
    }

    /// Starts the simulated Genesys Cloud that the stack follows, with the credentials that the
    /// stack holds for it, and provisions its users.
    ///
    /// Errors: the stack follows a real one, its secrets cannot be read, or the address is taken.
    pub(crate) async fn simulated(&self, clock: Clock) -> Result<Simulated, Failure> {
        let address = self.platform_address()?;
        let client = self.configured_client().await?;
        let key = self.keys.key(KEY_ID).await?;
        let Some(key_secret) = key.and_then(|key| key.secrets.into_iter().next()) else {
            return Err(Failure::bad_input(format!("the stack's secret has no key {KEY_ID}")));
        };
        self.store.put_users(SIMULATED_ORGANIZATION, &Cast::ours()).await?;
        let credentials = Credentials {
            key_id: KEY_ID,
            client_id: client.client_id,
            client_secret: client.client_secret.reveal().to_owned(),
            key_secret,
        };
        Simulated::start_with(clock, address, credentials).await
    }
}
