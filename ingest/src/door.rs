//! The door's state: writes commands to the log and waits for what becomes of them.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use pipeline::{LogError, Outgoing, Producer, TopicPartition};
use schemas::answer::REQUEST_HEADER;
use schemas::{CalendarKey, CommandAnswer, RequestId, Shard, Shards, TaskKey, TenantId, Topic};
use tokio::sync::{Semaphore, oneshot};

use crate::access::Access;
use crate::config::Config;
use crate::metrics;
use crate::owners::Owners;
use crate::problem::Problem;

/// Everything the routes need; shared by all requests.
pub struct Door {
    pub(crate) config: Config,
    pub(crate) access: Access,
    pub(crate) shards: Shards,
    pub(crate) owners: Arc<dyn Owners>,
    /// Bytes of bodies that may still be held.
    pub(crate) bodies: Arc<Semaphore>,
    producer: Arc<dyn Producer>,
    requests: RequestIds,
}

/// The options do not let the door open: each problem names its option.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the door cannot open: {}", .0.join("; "))]
pub struct BadConfig(pub Vec<String>);

/// Which lane a command takes into the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lane {
    #[default]
    Normal,
    Bulk,
    /// Not commands on tasks, but calendars.
    Calendars,
}

/// A record ready for the log.
#[derive(Clone, Debug)]
pub(crate) struct Ready {
    /// Decides the shard.
    key: String,
    /// One JSON object; of a calendar that is to go, nothing.
    value: Option<Bytes>,
    lane: Lane,
}

impl Ready {
    /// A command on a task.
    pub(crate) fn command(task: &TaskKey, value: Bytes, lane: Lane) -> Self {
        Self {
            key: task.routing_key(),
            value: Some(value),
            lane,
        }
    }

    /// A command on many tasks of a tenant, in any shard: the planner there tells the others.
    pub(crate) fn sweep(tenant: &TenantId, value: Bytes, lane: Lane) -> Self {
        Self {
            key: tenant.as_str().to_owned(),
            value: Some(value),
            lane,
        }
    }

    /// What a calendar says from now on, or that it is to go.
    pub(crate) fn calendar(calendar: &CalendarKey, value: Option<Bytes>) -> Self {
        Self {
            key: calendar.routing_key(),
            value,
            lane: Lane::Calendars,
        }
    }
}

/// The fate of one record, to come.
pub(crate) struct Written {
    told: oneshot::Receiver<Result<i64, LogError>>,
    lane: Lane,
    sent: Instant,
}

impl Door {
    /// A door for `listen`, open to the keys of `config`.
    ///
    /// # Errors
    /// [`BadConfig`] lists everything that [`Config::validate`] found.
    pub fn new(
        config: Config,
        listen: SocketAddr,
        shards: Shards,
        producer: Arc<dyn Producer>,
        owners: Arc<dyn Owners>,
    ) -> Result<Arc<Self>, BadConfig> {
        let problems = config.validate(listen);
        if !problems.is_empty() {
            return Err(BadConfig(problems));
        }
        Ok(Arc::new(Self {
            access: Access::new(&config),
            shards,
            owners,
            bodies: Arc::new(Semaphore::new(config.max_bodies)),
            producer,
            requests: RequestIds::default(),
            config,
        }))
    }

    /// A name for a command whose answer somebody waits for.
    pub(crate) fn request_id(&self) -> RequestId {
        self.requests.next()
    }

    pub(crate) fn shard(&self, ready: &Ready) -> Shard {
        self.shards.of_key(ready.key.as_bytes())
    }

    /// Hands a record to the log; those of one key stay in the order they are handed in.
    pub(crate) fn send(&self, ready: Ready, request: Option<RequestId>) -> Written {
        let shard = self.shard(&ready);
        let Ready { key, value, lane } = ready;
        let name = |id: RequestId| (REQUEST_HEADER.to_owned(), Bytes::from(id.to_string()));
        let record = Outgoing {
            to: TopicPartition::new(lane.topic(), shard),
            key: Some(key.into()),
            value,
            headers: request.map(name).into_iter().collect(),
        };
        let (tell, told) = oneshot::channel();
        let sent = Instant::now();
        // Whoever asked may be gone by the time the log answers.
        self.producer
            .send(record, Box::new(move |fate| drop(tell.send(fate))));
        Written { told, lane, sent }
    }

    /// Waits until the log acknowledged a record.
    pub(crate) async fn durable(&self, written: Written) -> Result<(), Problem> {
        let Written { told, lane, sent } = written;
        let left = self.config.produce_timeout.saturating_sub(sent.elapsed());
        let fate = tokio::time::timeout(left, told).await;
        let detail = match fate {
            Ok(Ok(Ok(_))) => {
                ::metrics::counter!(metrics::RECORDS, "lane" => lane.name()).increment(1);
                ::metrics::histogram!(metrics::PRODUCE_SECONDS, "lane" => lane.name())
                    .record(sent.elapsed());
                return Ok(());
            }
            Ok(Ok(Err(error))) => format!("the log did not take it: {error}"),
            Ok(Err(_)) => "the log gave it up without a word".to_owned(),
            Err(_) => "the log did not acknowledge it in time".to_owned(),
        };
        ::metrics::counter!(metrics::RECORDS_FAILED, "lane" => lane.name()).increment(1);
        tracing::warn!(lane = lane.name(), detail, "a record is not durable");
        Err(Problem::unavailable(format!(
            "{detail}; it may still be taken, so send it again"
        )))
    }

    /// Writes one record; with `wait`, also waits for how it was decided.
    pub(crate) async fn submit(
        &self,
        ready: Ready,
        wait: Option<Duration>,
    ) -> Result<Option<CommandAnswer>, Problem> {
        let Some(wait) = wait else {
            self.durable(self.send(ready, None)).await?;
            return Ok(None);
        };
        let request = self.request_id();
        let shard = self.shard(&ready);
        let answer = self.owners.answer(shard, request, wait);
        // The question first: the answer may be told as soon as the command is in the log.
        let (answer, ()) = tokio::try_join!(
            biased;
            async { Ok(answer.await) },
            async { self.durable(self.send(ready, Some(request))).await },
        )?;
        Ok(answer)
    }
}

impl Lane {
    fn topic(self) -> Topic {
        match self {
            Self::Normal => Topic::Registrations,
            Self::Bulk => Topic::RegistrationsBulk,
            Self::Calendars => Topic::Calendars,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Bulk => "bulk",
            Self::Calendars => "calendars",
        }
    }
}

/// Names that nobody else gives: a count, hashed under keys that this process drew at random.
#[derive(Debug, Default)]
struct RequestIds {
    high: RandomState,
    low: RandomState,
    count: AtomicU64,
}

impl RequestIds {
    fn next(&self) -> RequestId {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let (high, low) = (self.high.hash_one(count), self.low.hash_one(count));
        RequestId(u128::from(high) << 64 | u128::from(low))
    }
}
