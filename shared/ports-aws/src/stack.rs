//! What a deployed stack says of itself: the outputs of its template.

use std::collections::BTreeMap;
use std::error::Error;

use aws_config::SdkConfig;
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::config::ProvideCredentials;
use aws_sdk_cloudformation::error::ProvideErrorMetadata;

use crate::failure::AwsFailure;

/// Why a stack's outputs cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// Nobody said who is asking.
    #[error(
        "no AWS credentials were found; sign in, set AWS_PROFILE, or set AWS_ACCESS_KEY_ID and \
         AWS_SECRET_ACCESS_KEY"
    )]
    NoCredentials {
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// There is no such stack where we look.
    #[error("there is no stack {stack} in {region}; check its name, the region, the account")]
    NoStack {
        /// Its name.
        stack: String,
        /// Where it was looked for.
        region: String,
    },
    /// CloudFormation refused or could not be reached.
    #[error("the outputs of stack {stack} could not be read")]
    Unavailable {
        /// Its name.
        stack: String,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The stack is not one of ours, or of another version.
    #[error("stack {stack} has no output {output}; is it a deployment of Sidetone?")]
    NoOutput {
        /// Its name.
        stack: String,
        /// What was looked for.
        output: String,
    },
}

/// The outputs of a stack, and what it was deployed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackOutputs {
    stack: String,
    outputs: BTreeMap<String, String>,
    parameters: BTreeMap<String, String>,
}

impl StackOutputs {
    pub(crate) async fn read(config: &SdkConfig, stack: String) -> Result<Self, StackError> {
        // Asked for first: without them the SDK's own error is about a dispatch that failed.
        match config.credentials_provider() {
            Some(provider) => {
                let found = provider.provide_credentials().await;
                found.map_err(|error| StackError::NoCredentials { source: error.into() })?;
            }
            None => return Err(StackError::NoCredentials { source: "no provider".into() }),
        }
        let described = Client::new(config).describe_stacks().stack_name(&stack).send().await;
        let described = described.map_err(|error| {
            let message = error.message().unwrap_or_default();
            if error.code() == Some("ValidationError") && message.contains("does not exist") {
                return no_stack(config, &stack);
            }
            let failure = AwsFailure::new("cloudformation:DescribeStacks", &error);
            StackError::Unavailable { stack: stack.clone(), source: failure.into() }
        })?;
        let Some(found) = described.stacks().first() else {
            return Err(no_stack(config, &stack));
        };
        let outputs = found.outputs().iter().filter_map(|output| {
            Some((output.output_key()?.to_owned(), output.output_value()?.to_owned()))
        });
        let parameters = found.parameters().iter().filter_map(|parameter| {
            Some((parameter.parameter_key()?.to_owned(), parameter.parameter_value()?.to_owned()))
        });
        Ok(Self { outputs: outputs.collect(), parameters: parameters.collect(), stack })
    }

    /// Returns the stack's name.
    pub fn stack(&self) -> &str {
        &self.stack
    }

    /// Returns an output.
    ///
    /// Errors: [`StackError::NoOutput`].
    pub fn output(&self, name: &str) -> Result<&str, StackError> {
        self.optional(name).ok_or_else(|| StackError::NoOutput {
            stack: self.stack.clone(),
            output: name.to_owned(),
        })
    }

    /// Returns an output of a part that may be switched off.
    pub fn optional(&self, name: &str) -> Option<&str> {
        self.outputs.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Returns a parameter with which the stack was deployed, if it is not empty.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

fn no_stack(config: &SdkConfig, stack: &str) -> StackError {
    let region = config.region().map(ToString::to_string).unwrap_or_default();
    StackError::NoStack { stack: stack.to_owned(), region }
}
