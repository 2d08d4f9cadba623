//! Several OAuth clients of one organization: each has its own token, rate limit and channels.
//!
//! The first one also lists users and looks gaps through. A further one is used once Genesys
//! has named its organization: events of another one would be kept as this one's.

use std::collections::BTreeSet;
use std::time::Duration;

use sidetone_model::OrganizationId;
use sidetone_notification_proto::Backoff;
use sidetone_ports::{Clock, chain};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::platform::PlatformClient;
use crate::secret::Secret;
use crate::status::StatusBoard;

/// How long to wait before asking again where only a person can help.
const MISCONFIGURED_WAIT: Duration = Duration::from_secs(120);

/// An OAuth client of the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthClient {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: Secret,
}

/// Those that may be used, by their places in the configuration.
pub(crate) type Admitted = watch::Receiver<BTreeSet<usize>>;

/// What every further client is looked at with.
#[derive(Clone)]
struct Examiner {
    organization: OrganizationId,
    clock: Clock,
    board: StatusBoard,
    admitted: watch::Sender<BTreeSet<usize>>,
}

/// Admits the first client at once, and every further one as soon as it is known to belong to
/// the same organization.
pub(crate) fn admit(
    platforms: &[PlatformClient],
    organization: OrganizationId,
    clock: Clock,
    board: &StatusBoard,
    stop: &CancellationToken,
    tasks: &mut JoinSet<()>,
) -> Admitted {
    let admitted = watch::Sender::new(BTreeSet::from([0]));
    let receiver = admitted.subscribe();
    let examiner = Examiner { organization, clock, board: board.clone(), admitted };
    for (place, platform) in platforms.iter().enumerate().skip(1) {
        let (examiner, platform, stop) = (examiner.clone(), platform.clone(), stop.clone());
        tasks.spawn(async move {
            stop.run_until_cancelled(examiner.examine(place, platform)).await;
        });
    }
    receiver
}

impl Examiner {
    async fn examine(self, place: usize, platform: PlatformClient) {
        let client = place + 1;
        let mut backoff = Backoff::default();
        loop {
            let wait = match platform.organization().await {
                Ok(found) if found == self.organization => {
                    tracing::info!(client, "a further OAuth client may be used");
                    self.admitted.send_modify(|admitted| {
                        admitted.insert(place);
                    });
                    return;
                }
                Ok(found) => {
                    let problem = format!("OAuth client {client} belongs to organization {found}");
                    tracing::error!(client, organization = %found, "not of this organization");
                    self.board.edit(|status| status.problem = Some(problem));
                    return;
                }
                Err(error) => {
                    tracing::error!(client, error = chain(&error), "OAuth client cannot be used");
                    self.board.edit(|status| status.problem = Some(chain(&error)));
                    match error.is_misconfiguration() {
                        true => MISCONFIGURED_WAIT,
                        false => backoff.failed(0.0),
                    }
                }
            };
            self.clock.sleep(wait).await;
        }
    }
}
