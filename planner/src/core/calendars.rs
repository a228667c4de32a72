//! Calendars: each is decided about by one shard and known to all.
//!
//! A record of `calendars` comes in at the shard of its key, which alone numbers its changes. Once the
//! turn that took it is committed, that shard tells all others by `forwards`, in the order of the
//! numbers, until each send is acknowledged; whoever was told of one number heeds no lower one of that
//! shard any more, so what comes twice, or late from a planner that was cut off, changes nothing.
//! Every shard keeps all calendars in its table: they are there before anything is planted after a
//! restart.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use pipeline::{Ask, Outgoing, Record, TopicPartition};
use schemas::answer::CalendarChange;
use schemas::calendar::{CalendarPage, CalendarQuery, CalendarRecord, read_calendar};
use schemas::dead_letter::Origin;
use schemas::index::{CalendarRow, Forward, named_calendar};
use schemas::{CalendarKey, CalendarName, CalendarView, CommandAnswer, RequestId, Topic};
use timetable::Calendar;

use super::PlannerCore;
use super::admit::request_of;
use super::answer::refused;
use super::overlay::after;
use crate::metrics;
use crate::store::Store;

/// Others are told of so many changes at a time.
const STEP: usize = 64;

/// Calendars held ready at most.
const MOST_READY: usize = 256;

/// What a core holds of calendars beside the table.
#[derive(Debug, Default)]
pub(super) struct Calendars {
    /// Those that were asked for, ready to be asked; `None` where there is none.
    ready: BTreeMap<CalendarKey, Option<Arc<Calendar>>>,
    /// Tasks may be left to be planned anew.
    pub(super) replans: bool,
    /// Others were told of the changes up to this number; their rows can go.
    told: Option<u64>,
}

impl Calendars {
    /// Whether a turn has something to do here.
    pub(super) fn has_work(&self) -> bool {
        self.told.is_some() || self.replans
    }
}

impl<S: Store> PlannerCore<S> {
    /// Takes a record of `calendars`.
    pub(super) fn admit_calendar(&mut self, record: Record) {
        let origin = Origin {
            topic: Topic::Calendars.name(),
            shard: self.shard.0,
            offset: record.offset,
        };
        let request = request_of(&record);
        let key = record.key.clone().unwrap_or_default();
        let Some(calendar) = CalendarKey::parse(&key) else {
            let key = String::from_utf8_lossy(&key);
            let problem = format!(
                "the key of a calendar is `tenant/name`, each 1-64 characters of a-z, 0-9, `.`, \
                 `_`, `-`; it is `{}`",
                key.escape_debug()
            );
            let value = record.value.unwrap_or_default();
            return self.refuse_calendar(origin, problem, request, value);
        };
        let json = record.value.filter(|json| !json.is_empty());
        let home = calendar.shard(self.shards);
        if home == self.shard {
            return self.decide_calendar(origin, calendar, json, request);
        }
        let forward = Forward {
            topic: Topic::Calendars,
            shard: self.shard,
            offset: record.offset,
            appended: record.appended,
            request,
        };
        self.pass_calendar(home, &forward, calendar, json.as_ref());
    }

    /// Takes a calendar that another shard passed on: one that came in there and is decided about here,
    /// or one that was decided about there.
    pub(super) fn admit_calendar_forward(&mut self, forward: &Forward, value: Bytes) {
        let origin = Origin {
            topic: forward.topic.name(),
            shard: forward.shard.0,
            offset: forward.offset,
        };
        let (record, json) = match CalendarRecord::decode(&value) {
            Ok(found) => found,
            Err(error) => return self.refuse_calendar(origin, error.to_string(), None, value),
        };
        let json = (!record.removed).then_some(json);
        if forward.topic == Topic::Calendars {
            return self.decide_calendar(origin, record.key, json, forward.request);
        }
        let version = u64::try_from(forward.offset).unwrap_or(0);
        self.set_calendar(&record.key, json.as_ref(), version);
    }

    fn decide_calendar(
        &mut self,
        origin: Origin,
        calendar: CalendarKey,
        json: Option<Bytes>,
        request: Option<RequestId>,
    ) {
        let read = json.as_deref().map(read_calendar).transpose();
        let read = match read {
            Ok(read) => read,
            Err(refusal) => {
                let problem = format!("calendar `{calendar}`: {refusal}");
                self.refuse_calendar(origin, problem, None, json.unwrap_or_default());
                let complaints = refusal.complaints;
                return self.answer(request, CommandAnswer::Refused { complaints });
            }
        };
        let before = self.table.calendar(&calendar);
        let answer = match (&before, &read) {
            (None, None) => CommandAnswer::Unknown,
            (Some((row, old)), Some(new)) if read_calendar(old).is_ok_and(|old| old == *new) => {
                let (version, change) = (row.version, CalendarChange::Unchanged);
                CommandAnswer::Calendar { version, change }
            }
            _ => {
                let version = self.table.next_version();
                let change = match (before, read) {
                    (None, _) => CalendarChange::Created,
                    (_, Some(_)) => CalendarChange::Changed,
                    (_, None) => CalendarChange::Removed,
                };
                if self.shards.count() > 1 {
                    self.table.set_untold(version, calendar.clone());
                }
                self.set_calendar(&calendar, json.as_ref(), version);
                CommandAnswer::Calendar { version, change }
            }
        };
        self.answer(request, answer);
    }

    /// The calendar says this from now on; the tasks that name it are planned anew.
    fn set_calendar(&mut self, calendar: &CalendarKey, json: Option<&Bytes>, version: u64) {
        ::metrics::counter!(metrics::CALENDARS).increment(1);
        self.table.set_calendar(calendar, version, json);
        self.calendars.ready.remove(calendar);
        self.calendar_changed(calendar.clone());
    }

    fn refuse_calendar(
        &mut self,
        origin: Origin,
        problem: String,
        request: Option<RequestId>,
        value: Bytes,
    ) {
        let shard = self.shard.0;
        tracing::warn!(
            shard,
            offset = origin.offset,
            problem,
            "a calendar is refused"
        );
        ::metrics::counter!(metrics::CALENDARS_REFUSED).increment(1);
        self.dead_letter(origin, problem.clone(), None, value);
        self.answer(request, refused("", &problem));
    }

    /// A calendar, ready to be asked, if there is one of this name.
    pub(super) fn calendar(&mut self, calendar: &CalendarKey) -> Option<Arc<Calendar>> {
        if let Some(ready) = self.calendars.ready.get(calendar) {
            return ready.clone();
        }
        let json = self.table.calendar(calendar);
        let ready = json.and_then(|(_, json)| match read_calendar(&json) {
            Ok(read) => Some(Arc::new(read)),
            Err(error) => {
                // It was understood when it was taken: by another release.
                tracing::warn!(%calendar, %error, "a calendar is not understood any more");
                None
            }
        });
        if self.calendars.ready.len() >= MOST_READY {
            self.calendars.ready.clear();
        }
        self.calendars.ready.insert(calendar.clone(), ready.clone());
        ready
    }

    /// Tells the other shards of what is committed and was not told; asked for behind each commit.
    pub(super) fn tell_calendars(&mut self) {
        for (number, calendar) in self.table.committed_untold(STEP) {
            if self.calendars.told.is_some_and(|told| number <= told) {
                continue;
            }
            self.calendars.told = Some(number);
            let known = self.table.committed_calendar(&calendar);
            if known.as_ref().is_some_and(|(row, _)| row.version != number) {
                // A later change is told by its own number.
                continue;
            }
            let json = known.map(|(_, json)| json);
            let forward = Forward {
                topic: Topic::Index,
                shard: self.shard,
                offset: i64::try_from(number).unwrap_or(i64::MAX),
                appended: self.now,
                request: None,
            };
            let own = self.shard;
            for other in self.shards.all().filter(|other| *other != own) {
                self.pass_calendar(other, &forward, calendar.clone(), json.as_ref());
            }
        }
    }

    /// Forgets that others were to be told of what they were told: the turn that does is committed only
    /// once each of those sends is.
    pub(super) fn keep_calendars(&mut self) {
        if let Some(told) = self.calendars.told.take() {
            self.table.drop_untold(told);
        }
    }

    fn pass_calendar(
        &mut self,
        to: schemas::Shard,
        forward: &Forward,
        key: CalendarKey,
        json: Option<&Bytes>,
    ) {
        let routing = Bytes::from(key.routing_key());
        let removed = json.is_none();
        let record = CalendarRecord { key, removed };
        let record = record.encode(json.map_or(&[], Bytes::as_ref));
        self.asks.push_back(Ask::SendOutside(Outgoing {
            to: TopicPartition::new(Topic::Forwards, to),
            key: Some(routing),
            value: Some(forward.encode(&record)),
            headers: Vec::new(),
        }));
        ::metrics::counter!(metrics::FORWARDS).increment(1);
    }

    /// One calendar as of the last commit.
    pub fn get_calendar(&mut self, calendar: &CalendarKey) -> Option<CalendarView> {
        let (row, json) = self.table.committed_calendar(calendar)?;
        Some(view(calendar.clone(), row, &json))
    }

    /// A part of a tenant's calendars as of the last commit.
    pub fn list_calendars(&mut self, query: &CalendarQuery) -> CalendarPage {
        let tenant = query.tenant.as_str().as_bytes();
        let bound = |end: u8| [b"c", tenant, &[end]].concat();
        let behind = |name: &CalendarName| {
            let key = CalendarKey {
                tenant: query.tenant.clone(),
                name: name.clone(),
            };
            after(&named_calendar(b'c', &key)).to_vec()
        };
        let from = query.after.as_ref().map_or_else(|| bound(0), behind);
        let limit = query.limit.max(1);
        let rows = self.table.committed_scan(&from, &bound(1), limit + 1);
        let mut page = CalendarPage::default();
        let more = rows.len() > limit;
        for (key, value) in rows.into_iter().take(limit) {
            let name = key.get(tenant.len() + 2..);
            let name = name.and_then(|name| std::str::from_utf8(name).ok());
            let name = name.and_then(|name| CalendarName::new(name).ok());
            let row = self.table.understood(CalendarRow::decode(&value));
            if let (Some(name), Some((row, json))) = (name, row) {
                let tenant = query.tenant.clone();
                page.next = more.then(|| name.clone());
                page.calendars
                    .push(view(CalendarKey { tenant, name }, row, &json));
            }
        }
        page
    }
}

fn view(calendar: CalendarKey, row: CalendarRow, json: &[u8]) -> CalendarView {
    CalendarView {
        tenant: calendar.tenant,
        name: calendar.name,
        version: row.version,
        calendar: serde_json::from_slice(json).unwrap_or_default(),
    }
}
