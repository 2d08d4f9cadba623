//! Signed requests to the local AWS, for the few things that are needed once or by tests only:
//! an SDK crate for each would be compiled for a single call.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::certificates::Trust;

/// The region in which everything is deployed.
pub const REGION: &str = "us-east-1";

/// How long the local AWS may take to answer; an invoked function may run for a quarter of an
/// hour.
const ANSWER_LIMIT: Duration = Duration::from_secs(16 * 60);

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// Access key id.
    pub access_key_id: String,
    /// Secret access key.
    pub secret_access_key: String,
    /// Session token, for those who assumed a role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_token: Option<String>,
}

impl Keys {
    /// The owner of the account on the local AWS.
    pub fn root() -> Self {
        Self {
            access_key_id: "test".to_owned(),
            secret_access_key: "test".to_owned(),
            session_token: None,
        }
    }

    /// Returns the variables by which the SDK and its friends find them.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("AWS_ACCESS_KEY_ID", self.access_key_id.clone()),
            ("AWS_SECRET_ACCESS_KEY", self.secret_access_key.clone()),
        ];
        variables.extend(self.session_token.clone().map(|token| ("AWS_SESSION_TOKEN", token)));
        variables
    }
}

/// Why a request was not answered as it should be.
#[derive(Debug, thiserror::Error)]
pub enum CloudError {
    /// It could not be signed.
    #[error("cannot sign a request to {service}")]
    Sign {
        /// For which service.
        service: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There was no answer.
    #[error("{service} does not answer")]
    Silent {
        /// Which service.
        service: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// It was refused.
    #[error("{service} answered {status}: {body}")]
    Refused {
        /// Which service.
        service: String,
        /// The HTTP status.
        status: u16,
        /// What it said.
        body: String,
    },
    /// The answer is no JSON.
    #[error("the answer of {service} is no JSON")]
    Malformed {
        /// Which service.
        service: String,
        /// Where.
        #[source]
        source: serde_json::Error,
    },
}

/// What a function answered.
#[derive(Debug, Clone)]
pub struct Invoked {
    /// Its payload.
    pub payload: Value,
    /// Whether it failed instead of answering.
    pub failed: bool,
}

/// The local AWS, as one caller sees it; cheap to copy.
#[derive(Debug, Clone)]
pub struct Cloud {
    endpoint: String,
    keys: Keys,
    http: reqwest::Client,
}

impl Cloud {
    /// Names an endpoint, a caller, and whose certificates count.
    ///
    /// Errors: [`CloudError::Silent`] if there can be no HTTP client.
    pub fn new(endpoint: impl Into<String>, keys: Keys, trust: &Trust) -> Result<Self, CloudError> {
        let http = trust.http(ANSWER_LIMIT).map_err(|e| silent("the local AWS", e))?;
        Ok(Self { endpoint: endpoint.into(), keys, http })
    }

    /// Returns the same AWS as another caller sees it.
    #[must_use]
    pub fn as_caller(&self, keys: Keys) -> Self {
        Self { keys, ..self.clone() }
    }

    /// Calls an operation of a JSON service: `target` as in `secretsmanager.PutSecretValue`.
    ///
    /// Errors: [`CloudError`].
    pub async fn json(
        &self,
        service: &str,
        target: &str,
        body: &Value,
    ) -> Result<Value, CloudError> {
        let body = body.to_string().into_bytes();
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target)];
        let answer = self.send(service, "/", &headers, body).await?;
        json_of(service, &answer.body)
    }

    /// Calls an operation of a query service, such as IAM, and returns its XML.
    ///
    /// Errors: [`CloudError`].
    pub async fn query(
        &self,
        service: &str,
        action: &str,
        version: &str,
        arguments: &[(&str, &str)],
    ) -> Result<String, CloudError> {
        let mut form = String::new();
        for (name, value) in [("Action", action), ("Version", version)].iter().chain(arguments) {
            if !form.is_empty() {
                form.push('&');
            }
            form.push_str(name);
            form.push('=');
            form.push_str(&escaped(value));
        }
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let answer = self.send(service, "/", &headers, form.into_bytes()).await?;
        Ok(answer.body)
    }

    /// Invokes a function and waits for its answer.
    ///
    /// Errors: [`CloudError`]; a function that fails is no error.
    pub async fn invoke(&self, function: &str, event: &Value) -> Result<Invoked, CloudError> {
        let body = event.to_string().into_bytes();
        let answer = self.send("lambda", &invocations(function), &[], body).await?;
        let payload = json_of("lambda", &answer.body)?;
        Ok(Invoked { payload, failed: answer.failed })
    }

    /// Has a function invoked, as a schedule would: nobody waits for its answer.
    ///
    /// Errors: [`CloudError`].
    pub async fn start(&self, function: &str) -> Result<(), CloudError> {
        let headers = [("x-amz-invocation-type", "Event")];
        self.send("lambda", &invocations(function), &headers, b"{}".to_vec()).await.map(drop)
    }

    /// Makes a bucket whose objects everybody may read.
    ///
    /// Errors: [`CloudError`].
    pub async fn make_public_bucket(&self, bucket: &str) -> Result<(), CloudError> {
        let policy = serde_json::json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
            "Resource": format!("arn:aws:s3:::{bucket}/*"),
        }] });
        for (method, what, body) in [
            (Method::PUT, "", String::new()),
            (Method::DELETE, "?publicAccessBlock", String::new()),
            (Method::PUT, "?policy", policy.to_string()),
        ] {
            let path = format!("/{bucket}{what}");
            self.request("s3", method, &path, &[], body.into_bytes()).await?;
        }
        Ok(())
    }

    /// Returns the tags of an object, as the service writes them.
    ///
    /// Errors: [`CloudError`] if there is no such object.
    pub async fn tags(&self, bucket: &str, key: &str) -> Result<String, CloudError> {
        let path = format!("{}?tagging", object(bucket, key));
        Ok(self.request("s3", Method::GET, &path, &[], Vec::new()).await?.body)
    }

    /// Puts an object into a bucket.
    ///
    /// Errors: [`CloudError`].
    pub async fn put_object(
        &self,
        bucket: &str,
        key: &str,
        body: Vec<u8>,
    ) -> Result<(), CloudError> {
        self.request("s3", Method::PUT, &object(bucket, key), &[], body).await.map(drop)
    }

    /// Reads an object that is text; nothing if it is not there.
    ///
    /// Errors: [`CloudError`].
    pub async fn object(&self, bucket: &str, key: &str) -> Result<Option<String>, CloudError> {
        match self.request("s3", Method::GET, &object(bucket, key), &[], Vec::new()).await {
            Ok(answer) => Ok(Some(answer.body)),
            Err(CloudError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the size of a function's package.
    ///
    /// Errors: [`CloudError`].
    pub async fn function_bytes(&self, function: &str) -> Result<u64, CloudError> {
        let path = format!("/2015-03-31/functions/{function}/configuration");
        let answer = self.request("lambda", Method::GET, &path, &[], Vec::new()).await?;
        Ok(json_of("lambda", &answer.body)?["CodeSize"].as_u64().unwrap_or_default())
    }

    /// Assumes a role whom only a service may assume: while that lasts, the role trusts the
    /// account as well.
    ///
    /// Errors: [`CloudError`].
    pub async fn assume_service_role(&self, role: &str, session: &str) -> Result<Keys, CloudError> {
        let name = role.rsplit('/').next().unwrap_or(role);
        let version = "2010-05-08";
        let found = self.query("iam", "GetRole", version, &[("RoleName", name)]).await?;
        let trust = between(&found, "AssumeRolePolicyDocument").unwrap_or_default();
        let account = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
            "Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}"#;
        let change = async |document: &str| {
            let arguments = [("RoleName", name), ("PolicyDocument", document)];
            self.query("iam", "UpdateAssumeRolePolicy", version, &arguments).await
        };
        change(account).await?;
        let keys = self.assume_role(role, session).await;
        change(&unescaped(&trust)).await?;
        keys
    }

    async fn assume_role(&self, role: &str, session: &str) -> Result<Keys, CloudError> {
        let arguments =
            [("RoleArn", role), ("RoleSessionName", session), ("DurationSeconds", "43200")];
        let xml = self.query("sts", "AssumeRole", "2011-06-15", &arguments).await?;
        let element = |name| {
            between(&xml, name).ok_or_else(|| CloudError::Refused {
                service: "sts".to_owned(),
                status: 200,
                body: format!("no {name}"),
            })
        };
        Ok(Keys {
            access_key_id: element("AccessKeyId")?,
            secret_access_key: element("SecretAccessKey")?,
            session_token: Some(element("SessionToken")?),
        })
    }

    async fn send(
        &self,
        service: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Answer, CloudError> {
        self.request(service, Method::POST, path, headers, body).await
    }

    async fn request(
        &self,
        service: &str,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Answer, CloudError> {
        let url = format!("{}{path}", self.endpoint);
        let signed = self.signature(service, &method, &url, headers, &body)?;
        let mut request = self.http.request(method, &url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        for (name, value) in signed {
            request = request.header(name, value);
        }
        let answer = request.body(body).send().await.map_err(|e| silent(service, e))?;
        let status = answer.status();
        let failed = answer.headers().contains_key("x-amz-function-error");
        let body = answer.text().await.map_err(|e| silent(service, e))?;
        if status.is_success() {
            return Ok(Answer { body, failed });
        }
        let (service, status) = (service.to_owned(), status.as_u16());
        Err(CloudError::Refused { service, status, body })
    }

    fn signature(
        &self,
        service: &str,
        method: &Method,
        url: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Vec<(String, String)>, CloudError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| CloudError::Sign {
            service: service.to_owned(),
            source,
        };
        let keys = self.keys.clone();
        let identity = Credentials::new(
            keys.access_key_id,
            keys.secret_access_key,
            keys.session_token,
            None,
            "aws-local",
        )
        .into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(REGION)
            .name(service)
            .time(SystemTime::now())
            .settings(settings_of(service))
            .build()
            .map_err(|e| failed(Box::new(e)))?
            .into();
        let request = SignableRequest::new(
            method.as_str(),
            url,
            headers.iter().copied(),
            SignableBody::Bytes(body),
        )
        .map_err(|e| failed(Box::new(e)))?;
        let signed = sign(request, &params).map_err(|e| failed(Box::new(e)))?;
        let (instructions, _) = signed.into_parts();
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Ok(instructions.headers().map(owned).collect())
    }
}

/// S3 signs the path as it is, and what is in the body.
fn settings_of(service: &str) -> SigningSettings {
    let mut settings = SigningSettings::default();
    if service == "s3" {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    settings
}

fn object(bucket: &str, key: &str) -> String {
    let parts: Vec<String> = key.split('/').map(escaped).collect();
    format!("/{bucket}/{}", parts.join("/"))
}

fn invocations(function: &str) -> String {
    format!("/2015-03-31/functions/{function}/invocations")
}

struct Answer {
    body: String,
    failed: bool,
}

fn silent(service: &str, source: reqwest::Error) -> CloudError {
    CloudError::Silent { service: service.to_owned(), source }
}

fn json_of(service: &str, body: &str) -> Result<Value, CloudError> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(body)
        .map_err(|source| CloudError::Malformed { service: service.to_owned(), source })
}

/// Returns what stands in the first element of a name; STS needs no more of XML.
fn between(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (value, _) = rest.split_once(&format!("</{name}>"))?;
    Some(value.to_owned())
}

/// Reads a policy as IAM writes it into XML: URL-encoded.
fn unescaped(value: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = value.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let decoded = code.and_then(|two| u8::from_str_radix(two, 16).ok());
        match (first, decoded) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            (byte, _) => {
                bytes.push(*byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).replace("&quot;", "\"").replace("&amp;", "&")
}

/// Writes a value as a form, or a part of a path, wants it.
fn escaped(value: &str) -> String {
    let mut written = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            written.push(char::from(byte));
        } else {
            written.push_str(&format!("%{byte:02X}"));
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_values_as_forms_want_them() {
        assert_eq!(escaped("a b/ü~"), "a%20b%2F%C3%BC~");
        assert_eq!(unescaped("a%20b%2F%C3%BC~"), "a b/ü~");
        assert_eq!(unescaped("{&quot;a&quot;:1}"), r#"{"a":1}"#);
    }

    #[test]
    fn finds_the_element_of_a_name() {
        let xml = "<R><AccessKeyId>ASIA1</AccessKeyId></R>";
        assert_eq!(between(xml, "AccessKeyId").as_deref(), Some("ASIA1"));
        assert_eq!(between(xml, "SessionToken"), None);
    }

    #[test]
    fn signs_for_the_service_that_is_called() {
        let cloud = Cloud::new("http://127.0.0.1:1", Keys::root(), &Trust::nobody()).unwrap();
        let url = "http://127.0.0.1:1/";
        let signed = cloud.signature("iam", &Method::POST, url, &[], b"Action=ListRoles").unwrap();
        let authorization = signed.iter().find(|(name, _)| name == "authorization").unwrap();
        assert!(authorization.1.contains("/us-east-1/iam/aws4_request"), "{}", authorization.1);
    }
}
