//! MiniStack: an AWS on the loopback address, with IAM enforced.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use crate::certificates::{Certificates, Trust};
use crate::child::Child;
use crate::cloud::{Cloud, Keys, REGION};
use crate::error::LocalError;
use crate::free_ports::free_ports;
use crate::tools::Tools;

/// How long it may take to start; usually it takes three seconds.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Variables of ours that it, and so every function, may see: what programs need to run at all.
const INHERITED: &[&str] = &["PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH"];

/// Starts it with HTTP/1.1 alone, as the services have it that are called here: the HTTP/2 of
/// its server loses uploads now and then, which then hang until the connection ends. After a
/// function's answer it waits 5 ms for lines of its log, not 50: they were written before; nor
/// does it wait 40 ms for an acknowledgement in the middle of an event. What it is asked is
/// written down, for [`requests`](crate::requests).
const PROGRAM: &str = "import hypercorn.config, socketserver
hypercorn.config.Config.alpn_protocols = ['http/1.1']
hypercorn.config.Config.accesslog = 'requests.log'
hypercorn.config.Config.access_log_format = '%({authorization}i)s'
from ministack.core.lambda_runtime import Worker
Worker._drain_stderr_bounded.__defaults__ = (0.005, 0.005, 0.250)
socketserver.StreamRequestHandler.disable_nagle_algorithm = True
from ministack.app import main
main()";

/// A running MiniStack.
#[derive(Debug)]
pub(crate) struct Emulator {
    child: Child,
    endpoint: String,
    authority: PathBuf,
    trust: Trust,
}

impl Emulator {
    /// Starts one on a port, or on any that is free if the port is 0.
    ///
    /// Errors: [`LocalError`] if it does not start.
    pub(crate) async fn start(tools: &Tools, port: u16, run: &Path) -> Result<Self, LocalError> {
        let port = if port == 0 { free_ports(1)?.port() } else { port };
        let endpoint = format!("https://127.0.0.1:{port}");
        let certificates = Certificates::make(run)?;
        let trust = Trust::of(&certificates.authority)?;
        let mut command = Command::new(tools.python());
        command.args(["-c", PROGRAM]).env_clear().current_dir(run);
        for name in INHERITED {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("AUTH", "true")
            .env("IOT_MTLS_ENABLED", "0")
            .env("MINISTACK_REGION", REGION)
            // Functions inherit these two, and so find back.
            .env("AWS_ENDPOINT_URL", &endpoint)
            .env("SSL_CERT_FILE", &certificates.authority)
            .env("USE_SSL", "1")
            .env("MINISTACK_SSL_CERT", &certificates.certificate)
            .env("MINISTACK_SSL_KEY", &certificates.key)
            .env("S3_DATA_DIR", run.join("s3"))
            .env("STATE_DIR", run.join("state"))
            .envs(Keys::root().environment());
        let mut child = Child::start("ministack", command, run)?;
        let health = format!("{endpoint}/_ministack/health");
        let http = trust.http(Duration::from_secs(2)).map_err(LocalError::Http)?;
        let look = async || {
            let answer = http.get(&health).send().await;
            answer.is_ok_and(|answer| answer.status().is_success())
        };
        child.until(START_LIMIT, look).await?;
        Ok(Self { child, endpoint, authority: certificates.authority, trust })
    }

    /// Returns where it answers.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Returns the certificate of the authority that vouches for it.
    pub(crate) fn authority(&self) -> &Path {
        &self.authority
    }

    /// Returns whom to trust to reach it.
    pub(crate) const fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Returns it as the owner of the account sees it.
    ///
    /// Errors: [`LocalError`] if there can be no HTTP client.
    pub(crate) fn cloud(&self) -> Result<Cloud, LocalError> {
        Ok(Cloud::new(&self.endpoint, Keys::root(), &self.trust)?)
    }

    /// Returns its process id; the functions' processes are its children.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Ends it, and every function's process with it.
    pub(crate) async fn stop(self) {
        // How it ends is its own affair.
        let _ = self.child.stop().await;
    }
}
