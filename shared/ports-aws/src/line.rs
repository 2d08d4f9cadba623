//! The way back to a client of a WebSocket API, by `@connections`.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::config::Builder;
use aws_sdk_apigatewaymanagement::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_apigatewaymanagement::primitives::Blob;
use sidetone_model::ConnectionId;
use sidetone_ports::{ClientLine, LineError, Said};

use crate::connect::timeouts;
use crate::failure::AwsFailure;

/// As a policy writes it, for all that is done here.
const OPERATION: &str = "execute-api:ManageConnections";
/// One attempt; API Gateway answers within tens of milliseconds.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(1_500);
/// Attempts, the first included: together they stay below the 5 s after which Genesys gives up
/// waiting for an answer.
const ATTEMPTS_MAX: u32 = 3;
/// The first wait before another attempt; doubles.
const RETRY_FIRST: Duration = Duration::from_millis(100);

/// Says things to clients through API Gateway. Cheap to clone.
///
/// What was throttled or not answered is said again, a bounded number of times. A time-out says
/// nothing about whether the client got the message, so that it may get it twice; that is a
/// repeated `seq`, which a client can tell, where a lost one ends the session.
#[derive(Debug, Clone)]
pub struct ManagementLine {
    client: Client,
}

/// What one attempt came to.
enum Attempt {
    Said(Said),
    Again(LineError),
    Failed(LineError),
}

impl ManagementLine {
    pub(crate) fn new(config: &SdkConfig, endpoint: String) -> Self {
        // Attempts are counted here, where a throttle of the client's own line is known as one.
        let config = Builder::from(config)
            .endpoint_url(endpoint)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts(ATTEMPT_TIMEOUT, ATTEMPT_TIMEOUT))
            .build();
        Self { client: Client::from_conf(config) }
    }

    async fn try_often<F: Future<Output = Attempt>>(
        &self,
        attempt: impl Fn() -> F,
    ) -> Result<Said, LineError> {
        let mut wait = RETRY_FIRST;
        for _ in 1..ATTEMPTS_MAX {
            match attempt().await {
                Attempt::Said(said) => return Ok(said),
                Attempt::Failed(error) => return Err(error),
                Attempt::Again(_) => {}
            }
            metrics::counter!("sidetone_line_repeats_total").increment(1);
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        match attempt().await {
            Attempt::Said(said) => Ok(said),
            Attempt::Failed(error) | Attempt::Again(error) => Err(error),
        }
    }
}

impl ClientLine for ManagementLine {
    async fn say(&self, connection: &ConnectionId, text: &str) -> Result<Said, LineError> {
        self.try_often(async || {
            let post = self.client.post_to_connection().connection_id(connection.as_str());
            attempt(post.data(Blob::new(text)).send().await)
        })
        .await
    }

    async fn hang_up(&self, connection: &ConnectionId) -> Result<Said, LineError> {
        self.try_often(async || {
            let delete = self.client.delete_connection().connection_id(connection.as_str());
            attempt(delete.send().await)
        })
        .await
    }
}

fn attempt<T, E>(answer: Result<T, SdkError<E>>) -> Attempt
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let error = match answer {
        Ok(_) => return Attempt::Said(Said::Taken),
        Err(error) => error,
    };
    let status = error.raw_response().map(|response| response.status().as_u16());
    let unsent_or_unanswered = matches!(
        error,
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_)
    );
    let gone = status == Some(410) || error.code() == Some("GoneException");
    let again = unsent_or_unanswered || status.is_some_and(|status| status == 429 || status >= 500);
    let error = LineError { source: AwsFailure::new(OPERATION, &error).into() };
    match (gone, again) {
        (true, _) => Attempt::Said(Said::Gone),
        (false, true) => Attempt::Again(error),
        (false, false) => Attempt::Failed(error),
    }
}

#[cfg(test)]
mod tests {
    use sidetone_ports::chain;

    use super::*;
    use crate::testing::{Answer, Fake};

    async fn say<const N: usize>(answers: [Answer; N]) -> (Result<Said, LineError>, usize) {
        let last = N - 1;
        let fake = Fake::start(move |_, before| answers[before.min(last)].clone()).await;
        let line = ManagementLine::new(&fake.config, format!("{}/api/prod", fake.address));
        let said = line.say(&ConnectionId::new("AAAA1234="), "{}").await;
        let asked = fake.asked();
        assert_eq!(asked[0].operation, "POST /api/prod/@connections/AAAA1234%3D");
        assert_eq!(asked[0].body, "{}");
        (said, asked.len())
    }

    const DONE: Answer = Answer::Done(String::new());

    #[tokio::test]
    async fn a_listener_takes_it_or_is_gone() {
        assert!(matches!(say([DONE]).await, (Ok(Said::Taken), 1)));
        assert!(matches!(say([Answer::Error(410, "GoneException")]).await, (Ok(Said::Gone), 1)));
    }

    #[tokio::test]
    async fn throttles_faults_and_silence_are_borne_for_a_while() {
        const THROTTLED: Answer = Answer::Error(429, "LimitExceededException");
        assert!(matches!(say([THROTTLED, THROTTLED, DONE]).await, (Ok(Said::Taken), 3)));
        assert!(matches!(say([Answer::Silence, DONE]).await, (Ok(Said::Taken), 2)));
        assert!(matches!(say([Answer::Error(500, "X"), DONE]).await, (Ok(Said::Taken), 2)));
        assert!(matches!(say([THROTTLED]).await, (Err(_), 3)));
    }

    #[tokio::test]
    async fn a_missing_permission_is_named_at_once() {
        let (said, asked) = say([Answer::Error(403, "ForbiddenException")]).await;
        let error = chain(&said.unwrap_err());
        assert!(
            error.contains("execute-api:ManageConnections answered ForbiddenException"),
            "{error}"
        );
        assert_eq!(asked, 1);
    }

    #[tokio::test]
    async fn a_line_is_hung_up() {
        let fake = Fake::start(|_, _| DONE).await;
        let line = ManagementLine::new(&fake.config, fake.address.clone());
        let hung_up = line.hang_up(&ConnectionId::new("AAAA1234=")).await;
        assert!(matches!(hung_up, Ok(Said::Taken)));
        assert_eq!(fake.asked()[0].operation, "DELETE /@connections/AAAA1234%3D");
    }
}
