//! What an AWS service answered instead of doing its work, in words for a log.

use std::error::Error;

use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::RequestId;

/// Why an operation of AWS did not do its work.
///
/// Names the operation as a policy writes it, such as `dynamodb:PutItem`, so that a missing
/// permission can be granted from the log alone.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AwsFailure {
    /// The service answered.
    #[error("{operation} answered {code}: {message} (request {request})")]
    Answered {
        /// The operation.
        operation: &'static str,
        /// The service's code, such as `AccessDeniedException`.
        code: String,
        /// The service's own words.
        message: String,
        /// What AWS support asks for.
        request: String,
    },
    /// Nothing that can be read came back; whether it was done is not known.
    #[error("{operation} had no answer: {reason}")]
    Unanswered {
        /// The operation.
        operation: &'static str,
        /// The SDK's chain of causes.
        reason: String,
    },
}

impl AwsFailure {
    /// Reads the SDK's error.
    pub(crate) fn new<E, R>(operation: &'static str, error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
        R: std::fmt::Debug,
        SdkError<E, R>: RequestId + Error,
    {
        match error.as_service_error() {
            Some(answer) => Self::Answered {
                operation,
                code: answer.code().unwrap_or("an error without code").to_owned(),
                message: answer.message().unwrap_or("no message").to_owned(),
                request: error.request_id().unwrap_or("unknown").to_owned(),
            },
            None => Self::Unanswered { operation, reason: DisplayErrorContext(error).to_string() },
        }
    }
}
