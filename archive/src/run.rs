//! The shell: writes batches on an async runtime and tells the cores how it went.

use std::sync::Arc;
use std::time::Duration;

use pipeline::{Clock, Inbox};
use schemas::Shard;
use tokio::runtime::Handle;
use tokio::sync::OnceCell;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::event::{Effect, Input};
use crate::row::Row;
use crate::store::{Store, StoreError};

/// A write that takes longer has failed; the batch is written again.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// How often retention is looked after.
const MAINTAIN_EVERY: Duration = Duration::from_secs(3_600);
/// Wait before a failed look is repeated.
const MAINTAIN_RETRY: Duration = Duration::from_secs(60);
const DAY_MS: i64 = 86_400_000;

/// Batches of different shards that are written in one transaction at most.
const TOGETHER: usize = 64;

/// Takes the effects of the archive's cores.
#[derive(Clone, Debug)]
pub struct Writer {
    database: Place,
    orders: UnboundedSender<Order>,
}

/// A database, connected to when first needed.
#[derive(Clone, Debug)]
struct Place {
    url: Arc<str>,
    store: Arc<OnceCell<Store>>,
}

/// A batch of one shard.
#[derive(Debug)]
struct Order {
    shard: Shard,
    batch: u64,
    rows: Vec<Row>,
}

impl Writer {
    /// Writes to the database at `url`, connecting when there is something to write: a database that
    /// is away at the start delays nothing.
    #[must_use]
    pub fn new(url: &str, inbox: Inbox<Input>, runtime: &Handle) -> Self {
        let database = Place {
            url: url.into(),
            store: Arc::new(OnceCell::new()),
        };
        let (orders, waiting) = unbounded_channel();
        runtime.spawn(database.clone().serve(waiting, inbox));
        Self { database, orders }
    }

    /// Starts what `effect` asks for; its result comes back through the inbox.
    pub fn run(&self, shard: Shard, effect: Effect) {
        let Effect::Write { batch, rows } = effect;
        let order = Order { shard, batch, rows };
        if self.orders.send(order).is_err() {
            tracing::error!("the archive's writer is gone");
        }
    }

    /// Keeps `keep_days` of history, for as long as the process lives.
    pub async fn maintain(self, clock: Arc<dyn Clock>, keep_days: u32) {
        loop {
            let today = clock.now().wall.0.div_euclid(DAY_MS);
            let result = async {
                self.database
                    .store()
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
}

impl Place {
    /// Writes what waits, all of it in one transaction, until nobody can ask any more.
    async fn serve(self, mut waiting: UnboundedReceiver<Order>, inbox: Inbox<Input>) {
        let mut orders = Vec::new();
        while waiting.recv_many(&mut orders, TOGETHER).await > 0 {
            let (rows, ends) = together(&mut orders);
            let result = self.write(&rows).await;
            let (alone, mut begin) = (orders.len() == 1, 0);
            for (order, end) in orders.drain(..).zip(ends) {
                let result = match &result {
                    // What another shard's rows are refused for is not this one's matter.
                    Err(StoreError::Refused(_)) if !alone => self.write(&rows[begin..end]).await,
                    told => told.clone(),
                };
                begin = end;
                inbox.push(order.shard, order.answer(result));
            }
        }
    }

    async fn write(&self, rows: &[Row]) -> Result<(), StoreError> {
        let write = async { self.store().await?.write(rows).await };
        tokio::time::timeout(WRITE_TIMEOUT, write)
            .await
            .unwrap_or_else(|_| {
                Err(StoreError::Unavailable(
                    "the write took too long".to_owned(),
                ))
            })
    }

    async fn store(&self) -> Result<&Store, StoreError> {
        self.store
            .get_or_try_init(|| Store::connect(&self.url))
            .await
    }
}

/// The rows of all orders, and where each order's end.
fn together(orders: &mut [Order]) -> (Vec<Row>, Vec<usize>) {
    let mut rows = Vec::with_capacity(orders.iter().map(|order| order.rows.len()).sum());
    let ends = orders.iter_mut().map(|order| {
        rows.append(&mut order.rows);
        rows.len()
    });
    let ends = ends.collect();
    (rows, ends)
}

impl Order {
    fn answer(&self, result: Result<(), StoreError>) -> Input {
        let batch = self.batch;
        match result {
            Ok(()) => Input::Written { batch },
            Err(StoreError::Refused(reason)) => Input::Refused { batch, reason },
            Err(error) => Input::Unavailable {
                batch,
                reason: error.to_string(),
            },
        }
    }
}
