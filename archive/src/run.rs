//! The shell: writes batches on an async runtime and tells the cores how it went.

use std::sync::Arc;
use std::time::Duration;

use pipeline::{Clock, Inbox};
use schemas::Shard;
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

use crate::event::{Effect, Input};
use crate::store::{Store, StoreError};

/// A write that takes longer has failed; the batch is written again.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// How often retention is looked after.
const MAINTAIN_EVERY: Duration = Duration::from_secs(3_600);
/// Wait before a failed look is repeated.
const MAINTAIN_RETRY: Duration = Duration::from_secs(60);
const DAY_MS: i64 = 86_400_000;

/// Takes the effects of the archive's cores.
#[derive(Clone, Debug)]
pub struct Writer {
    url: Arc<str>,
    store: Arc<OnceCell<Store>>,
    inbox: Inbox<Input>,
    runtime: Handle,
}

impl Writer {
    /// Writes to the database at `url`, connecting when there is something to write: a database that
    /// is away at the start delays nothing.
    #[must_use]
    pub fn new(url: &str, inbox: Inbox<Input>, runtime: Handle) -> Self {
        Self {
            url: url.into(),
            store: Arc::new(OnceCell::new()),
            inbox,
            runtime,
        }
    }

    /// Starts what `effect` asks for; its result comes back through the inbox.
    pub fn run(&self, shard: Shard, effect: Effect) {
        let Effect::Write { batch, rows } = effect;
        let writer = self.clone();
        self.runtime.spawn(async move {
            let write = async { writer.store().await?.write(&rows).await };
            let result = match tokio::time::timeout(WRITE_TIMEOUT, write).await {
                Ok(result) => result,
                Err(_) => Err(StoreError::Unavailable(
                    "the write took too long".to_owned(),
                )),
            };
            let input = match result {
                Ok(()) => Input::Written { batch },
                Err(StoreError::Refused(reason)) => Input::Refused { batch, reason },
                Err(error) => Input::Unavailable {
                    batch,
                    reason: error.to_string(),
                },
            };
            writer.inbox.push(shard, input);
        });
    }

    /// Keeps `keep_days` of history, for as long as the process lives.
    pub async fn maintain(self, clock: Arc<dyn Clock>, keep_days: u32) {
        loop {
            let today = clock.now().wall.0.div_euclid(DAY_MS);
            let result = async {
                self.store()
                    .await?
                    .maintain(today, i64::from(keep_days))
                    .await
            };
            let wait = match result.await {
                Ok(()) => MAINTAIN_EVERY,
                Err(error) => {
                    tracing::warn!(%error, "retention of the archive; trying again");
                    MAINTAIN_RETRY
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    async fn store(&self) -> Result<&Store, StoreError> {
        self.store
            .get_or_try_init(|| Store::connect(&self.url))
            .await
    }
}
