//! The real template, built and deployed by the ordinary SAM commands.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tokio::process::Command;

use crate::child::Child;
use crate::cloud::{Cloud, Keys, REGION};
use crate::error::LocalError;
use crate::issuer::Issuer;
use crate::tools::Tools;

/// Which of the two stacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// As it is by default, with both doors.
    Usual,
    /// Takes media from text messages; the API Gateway door only.
    TextMedia,
}

impl Kind {
    /// Returns the stack's name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Usual => "sidetone",
            Self::TextMedia => "sidetone-text",
        }
    }
}

/// The account of the local AWS.
const ACCOUNT: &str = "000000000000";

/// Seconds for which one run of the tracker holds its sockets here: short, so that hand-overs
/// happen while somebody looks.
const HOLD_SECONDS: u32 = 90;

/// What the deployment has to know of its surroundings.
#[derive(Debug)]
pub(crate) struct Surroundings<'a> {
    /// The local AWS.
    pub(crate) endpoint: &'a str,
    /// The certificate of the authority that vouches for it.
    pub(crate) authority: &'a Path,
    /// What clients of the API Gateway door dial and sign.
    pub(crate) public_url: &'a str,
    /// Login service and API of the simulated Genesys Cloud.
    pub(crate) genesys: (String, String),
    /// Who issues tokens for the users API.
    pub(crate) issuer: &'a Issuer,
}

/// A template, and where it is built.
#[derive(Debug)]
pub(crate) struct Deployment<'a> {
    tools: &'a Tools,
    root: PathBuf,
    build: PathBuf,
    run: &'a Path,
}

impl<'a> Deployment<'a> {
    /// Takes the template in a repository's root.
    pub(crate) fn new(tools: &'a Tools, root: &Path, target: &Path, run: &'a Path) -> Self {
        Self { tools, root: root.to_owned(), build: target.join("build"), run }
    }

    /// Returns where the functions are built: one folder each.
    pub(crate) fn build_folder(&self) -> &Path {
        &self.build
    }

    /// Builds the functions in release mode for this machine's processor.
    ///
    /// Errors: [`LocalError::Failed`] with the builder's log.
    pub(crate) async fn build(&self) -> Result<(), LocalError> {
        let mut sam = self.sam();
        sam.arg("build").arg("--build-dir").arg(&self.build);
        // cargo-lambda's flags are not those of other builds, so in their folder each would
        // compile everything again.
        sam.env("CARGO_TARGET_DIR", self.root.join("target/functions"));
        sam.args(["--parameter-overrides", "ParameterKey=Architecture,ParameterValue=x86_64"]);
        Child::start("sam-build", sam, self.run)?.finish().await
    }

    /// Deploys what was built, and returns the stack's outputs.
    ///
    /// Errors: [`LocalError`] if the local AWS refuses the template.
    pub(crate) async fn deploy(
        &self,
        kind: Kind,
        cloud: &Cloud,
        around: &Surroundings<'_>,
    ) -> Result<BTreeMap<String, String>, LocalError> {
        let mut sam = self.sam();
        sam.arg("deploy").arg("--template-file").arg(self.build.join("template.yaml"));
        sam.args(["--stack-name", kind.name(), "--region", REGION, "--resolve-s3"]);
        sam.args(["--no-confirm-changeset", "--no-progressbar", "--on-failure", "DO_NOTHING"]);
        sam.args(["--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]);
        sam.arg("--parameter-overrides");
        for (name, value) in parameters(kind, around) {
            sam.arg(format!("ParameterKey={name},ParameterValue={value}"));
        }
        sam.env("AWS_CA_BUNDLE", around.authority);
        sam.env("AWS_ENDPOINT_URL", around.endpoint).envs(Keys::root().environment());
        let name = format!("sam-deploy-{}", kind.name());
        Child::start(&name, sam, self.run)?.finish().await?;
        outputs(cloud, kind.name()).await
    }

    fn sam(&self) -> Command {
        let mut sam = self.tools.sam();
        sam.current_dir(&self.root).env("AWS_DEFAULT_REGION", REGION);
        // Whoever sits before this has other accounts, which are none of our business.
        for name in ["AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CONFIG_FILE"] {
            sam.env_remove(name);
        }
        sam
    }
}

fn parameters(kind: Kind, around: &Surroundings<'_>) -> Vec<(&'static str, String)> {
    let (login, api) = &around.genesys;
    let mut parameters = vec![
        ("Architecture", "x86_64".to_owned()),
        ("GenesysLoginUrl", login.clone()),
        ("GenesysApiUrl", api.clone()),
        ("PublicUrl", around.public_url.to_owned()),
        ("ManagementEndpoint", format!("{}/_aws/execute-api", around.endpoint)),
        ("HoldSeconds", HOLD_SECONDS.to_string()),
        // Two shards, so that the recorder runs beside itself.
        ("StreamMode", "PROVISIONED".to_owned()),
        ("ShardCount", "2".to_owned()),
    ];
    parameters.extend(match kind {
        Kind::Usual => {
            // Nobody but Genesys may put its events there, so tests call the function.
            let bus = vec![("EventBusName", "default".to_owned())];
            [audio_door(), users_api(around.issuer), bus].concat()
        }
        Kind::TextMedia => {
            let rest = ["TextMedia=enabled", "AudioTracking=enabled", "Alarms=disabled"];
            let rest = rest.iter().filter_map(|pair| pair.split_once('='));
            let rest = rest.map(|(name, value)| (name, value.to_owned())).collect();
            [audio_door(), rest].concat()
        }
    });
    parameters
}

fn audio_door() -> Vec<(&'static str, String)> {
    vec![
        ("AudioDoor", "enabled".to_owned()),
        // Nobody fetches the image, dials the domain or reads the certificate here.
        ("ImageUri", "sidetone-door:local".to_owned()),
        ("AudioDomainName", "audio.sidetone.example".to_owned()),
        ("AudioCertificateArn", format!("arn:aws:acm:{REGION}:{ACCOUNT}:certificate/local")),
        // The local AWS has no such service.
        ("AudioScaling", "disabled".to_owned()),
    ]
}

fn users_api(issuer: &Issuer) -> Vec<(&'static str, String)> {
    vec![("UsersApiIssuer", issuer.url.clone()), ("UsersApiAudience", issuer.audience.clone())]
}

async fn outputs(cloud: &Cloud, stack: &str) -> Result<BTreeMap<String, String>, LocalError> {
    let arguments = [("StackName", stack)];
    let xml = cloud.query("cloudformation", "DescribeStacks", "2010-05-15", &arguments).await?;
    let outputs: BTreeMap<_, _> = xml.split("<OutputKey>").skip(1).filter_map(output).collect();
    if outputs.is_empty() {
        return Err(LocalError::missing(format!("stack {stack}"), "outputs"));
    }
    Ok(outputs)
}

/// Reads `name</OutputKey><OutputValue>value</OutputValue>…`, in which nothing needs escaping
/// but the ampersand.
fn output(text: &str) -> Option<(String, String)> {
    let (name, rest) = text.split_once("</OutputKey>")?;
    let (_, rest) = rest.split_once("<OutputValue>")?;
    let (value, _) = rest.split_once("</OutputValue>")?;
    Some((name.to_owned(), value.replace("&amp;", "&")))
}

/// Puts a value into a secret, as its current version.
///
/// Errors: [`LocalError::Cloud`].
pub async fn put_secret(cloud: &Cloud, secret: &str, value: &Value) -> Result<(), LocalError> {
    let body = json!({
        "SecretId": secret,
        "SecretString": value.to_string(),
        "ClientRequestToken": uuid::Uuid::new_v4().to_string(),
    });
    cloud.json("secretsmanager", "secretsmanager.PutSecretValue", &body).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_outputs_of_a_stack() {
        let xml = "<Outputs><member><OutputKey>ApiId</OutputKey><OutputValue>a1&amp;b</OutputValue>\
                   </member><member><OutputKey>Empty</OutputKey></member></Outputs>";
        let outputs: Vec<_> = xml.split("<OutputKey>").skip(1).filter_map(output).collect();
        assert_eq!(outputs, [("ApiId".to_owned(), "a1&b".to_owned())]);
    }
}
