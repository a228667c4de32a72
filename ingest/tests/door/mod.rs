//! A door over a log and planners in memory.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "what fails here fails its test")]

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use http_body_util::BodyExt;
use ingest::{Asked, Config, Door, Owners, Unavailable};
use pipeline::log::Written;
use pipeline::{LogError, Outgoing, Producer};
use schemas::answer::{ListPage, ListQuery, SweepView};
use schemas::calendar::{CalendarPage, CalendarQuery};
use schemas::{
    CalendarKey, CalendarView, CommandAnswer, RequestId, Shard, Shards, TaskId, TaskKey, TaskView,
    TenantId,
};
use tower::ServiceExt;

/// A good registration.
pub(crate) const TASK: &str = r#"{"tenant": "shop", "id": "a", "schedule": {"after": "1s"}, "call": {"url": "http://h/x"}, "payload": {"b": 1.50}}"#;
/// A good registration, but for what a path says.
pub(crate) const WHOLE: &str = r#"{"schedule": {"after": "1s"}, "call": {"url": "http://h/x"}}"#;

/// What the log does with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Durable,
    Refused,
    /// Neither acknowledged nor given up.
    Silent,
}

/// The log and the planners, as a test sets them up and looks at them.
pub(crate) struct World {
    pub(crate) records: Mutex<Vec<Outgoing>>,
    pub(crate) fate: Mutex<Fate>,
    silent: Mutex<Vec<Written>>,
    /// Answers to come, in the order of the questions; none left: not known in time.
    pub(crate) answers: Mutex<VecDeque<CommandAnswer>>,
    pub(crate) asked: Mutex<Vec<(Shard, RequestId, Duration)>>,
    pub(crate) tasks: Mutex<Vec<TaskView>>,
    pub(crate) calendars: Mutex<Vec<CalendarView>>,
    pub(crate) lists: Mutex<Vec<(Shard, ListQuery)>>,
    pub(crate) sweeps: Mutex<BTreeMap<Shard, SweepView>>,
    /// The planners answer nothing.
    pub(crate) silent_owners: Mutex<bool>,
}

impl Producer for World {
    fn send(&self, record: Outgoing, written: Written) {
        let fate = *self.fate.lock().unwrap();
        let offset = {
            let mut records = self.records.lock().unwrap();
            if fate == Fate::Durable {
                records.push(record);
            }
            i64::try_from(records.len()).unwrap()
        };
        match fate {
            Fate::Durable => written(Ok(offset)),
            Fate::Refused => written(Err(LogError::Retry("broker is away".to_owned()))),
            Fate::Silent => self.silent.lock().unwrap().push(written),
        }
    }
}

impl World {
    fn check(&self, shard: Shard) -> Result<(), Unavailable> {
        if *self.silent_owners.lock().unwrap() {
            return Err(Unavailable {
                shard,
                reason: "gone".to_owned(),
            });
        }
        Ok(())
    }
}

impl Owners for World {
    fn answer(
        &self,
        shard: Shard,
        request: RequestId,
        wait: Duration,
    ) -> Asked<'_, Option<CommandAnswer>> {
        Box::pin(async move {
            self.asked.lock().unwrap().push((shard, request, wait));
            self.answers.lock().unwrap().pop_front()
        })
    }

    fn get(&self, task: TaskKey) -> Asked<'_, Result<Option<TaskView>, Unavailable>> {
        Box::pin(async move {
            self.check(task.shard(Shards::DEFAULT))?;
            let tasks = self.tasks.lock().unwrap();
            let found = tasks
                .iter()
                .find(|it| it.tenant == task.tenant && it.id == task.id);
            Ok(found.cloned())
        })
    }

    fn calendar(
        &self,
        calendar: CalendarKey,
    ) -> Asked<'_, Result<Option<CalendarView>, Unavailable>> {
        Box::pin(async move {
            self.check(calendar.shard(Shards::DEFAULT))?;
            let known = self.calendars.lock().unwrap();
            let found = known
                .iter()
                .find(|it| it.tenant == calendar.tenant && it.name == calendar.name);
            Ok(found.cloned())
        })
    }

    fn calendars(
        &self,
        shard: Shard,
        query: CalendarQuery,
    ) -> Asked<'_, Result<CalendarPage, Unavailable>> {
        Box::pin(async move {
            self.check(shard)?;
            let known = self.calendars.lock().unwrap().clone();
            let wanted = |it: &CalendarView| {
                it.tenant == query.tenant && query.after.as_ref().is_none_or(|name| it.name > *name)
            };
            let mut calendars: Vec<_> = known.into_iter().filter(wanted).collect();
            let more = calendars.len() > query.limit;
            calendars.truncate(query.limit);
            let last = calendars.last().map(|it| it.name.clone());
            let next = last.filter(|_| more);
            Ok(CalendarPage { calendars, next })
        })
    }

    fn list(&self, shard: Shard, query: ListQuery) -> Asked<'_, Result<ListPage, Unavailable>> {
        Box::pin(async move {
            self.check(shard)?;
            let mut tasks: Vec<TaskView> = self.tasks.lock().unwrap().clone();
            self.lists.lock().unwrap().push((shard, query.clone()));
            tasks.sort_by(|a, b| a.id.cmp(&b.id));
            tasks.retain(|it| {
                let key = TaskKey {
                    tenant: it.tenant.clone(),
                    id: it.id.clone(),
                };
                key.shard(Shards::DEFAULT) == shard
                    && query.tenant.as_ref() == Some(&it.tenant)
                    && query.state.is_none_or(|state| state == it.state)
                    && query.after.as_ref().is_none_or(|after| it.id > *after)
            });
            let more = tasks.len() > query.limit;
            tasks.truncate(query.limit);
            let next = if more {
                tasks.last().map(|it| it.id.clone())
            } else {
                None
            };
            Ok(ListPage { tasks, next })
        })
    }

    fn sweep(
        &self,
        shard: Shard,
        _id: RequestId,
    ) -> Asked<'_, Result<Option<SweepView>, Unavailable>> {
        Box::pin(async move {
            self.check(shard)?;
            Ok(self.sweeps.lock().unwrap().get(&shard).cloned())
        })
    }
}

/// A door, and the world behind it.
pub(crate) struct Fake {
    pub(crate) world: Arc<World>,
    pub(crate) door: Arc<Door>,
}

impl Fake {
    /// Open to everybody.
    pub(crate) fn new() -> Self {
        Self::with(Config {
            allow_anonymous_loopback: true,
            ..Config::default()
        })
    }

    pub(crate) fn with(config: Config) -> Self {
        let world = Arc::new(World {
            records: Mutex::default(),
            fate: Mutex::new(Fate::Durable),
            silent: Mutex::default(),
            answers: Mutex::default(),
            asked: Mutex::default(),
            tasks: Mutex::default(),
            calendars: Mutex::default(),
            lists: Mutex::default(),
            sweeps: Mutex::default(),
            silent_owners: Mutex::new(false),
        });
        let listen = ([127, 0, 0, 1], 7800).into();
        let door = Door::new(
            config,
            listen,
            Shards::DEFAULT,
            world.clone(),
            world.clone(),
        );
        Self {
            door: door.expect("good options"),
            world,
        }
    }

    pub(crate) async fn answer(&self, request: Request<Body>) -> Answer {
        let router = ingest::router(self.door.clone());
        let response = router.oneshot(request).await.expect("never fails");
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or(serde_json::Value::Null);
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        }
    }

    /// The records written so far, and none from here on.
    pub(crate) fn take_records(&self) -> Vec<Outgoing> {
        std::mem::take(&mut self.world.records.lock().unwrap())
    }

    pub(crate) fn will_answer(&self, answers: impl IntoIterator<Item = CommandAnswer>) {
        *self.world.answers.lock().unwrap() = answers.into_iter().collect();
    }
}

/// A response, read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: serde_json::Value,
}

impl Answer {
    /// The last word of a problem's type; empty for what is none.
    pub(crate) fn kind(&self) -> &str {
        self.body["type"]
            .as_str()
            .and_then(|it| it.rsplit(':').next())
            .unwrap_or_default()
    }

    /// The fields a problem complains of, in order.
    pub(crate) fn fields(&self) -> Vec<&str> {
        let errors = self.body["errors"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        errors
            .iter()
            .filter_map(|it| it["field"].as_str())
            .collect()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |it| it.to_str().expect("text"))
    }
}

pub(crate) fn request(method: &str, path: &str, body: &str) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if !body.is_empty() {
        request = request.header("content-type", "application/json");
    }
    request
        .body(Body::from(body.to_owned()))
        .expect("a request")
}

pub(crate) fn key(tenant: &str, id: &str) -> TaskKey {
    TaskKey {
        tenant: TenantId::new(tenant).unwrap(),
        id: TaskId::new(id).unwrap(),
    }
}
