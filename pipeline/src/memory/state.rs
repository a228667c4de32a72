//! Everything the broker knows, and the connections to it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use schemas::{Millis, Role, Shard};

use super::group::Group;
use super::partition::{Partition, TxnId};
use super::transaction::{Step, Txn};
use super::{Fates, MemoryConfig, Observer};
use crate::clock::Now;
use crate::error::LogError;
use crate::log::LogEvent;
use crate::record::{Outgoing, Position, Record, TopicPartition};

/// Names a connection.
pub(super) type ConnId = u64;

/// The broker's state.
pub(super) struct State {
    pub(super) config: MemoryConfig,
    pub(super) now: Now,
    pub(super) partitions: BTreeMap<TopicPartition, Partition>,
    pub(super) positions: BTreeMap<(Role, TopicPartition), Position>,
    /// Positions of transactions whose marker is not yet with them.
    pub(super) pending: BTreeMap<(Role, TopicPartition), BTreeSet<TxnId>>,
    pub(super) groups: BTreeMap<Role, Group>,
    pub(super) conns: BTreeMap<ConnId, Conn>,
    /// By transactional id, that of a member under whatever connection: its transactions up to the
    /// last marker, in order.
    pub(super) producers: BTreeMap<(Role, String), Vec<TxnId>>,
    pub(super) txns: BTreeMap<TxnId, Txn>,
    /// What is to happen when, in order: monotonic ms, then order of scheduling.
    pub(super) steps: BTreeMap<(u64, u64), Step>,
    pub(super) skew: BTreeMap<TopicPartition, i64>,
    pub(super) fates: Option<Fates>,
    pub(super) observer: Option<Observer>,
    /// Threads that wait for a change.
    pub(super) waiting: usize,
    numbers: u64,
}

/// One connection: a member's or a reader's.
#[derive(Debug, Default)]
pub(super) struct Conn {
    /// What it is to hear, in order; an assignment with the generation it belongs to.
    pub(super) events: VecDeque<(Option<u64>, LogEvent)>,
    /// The generation captured with the last assignment it heard of.
    pub(super) generation: u64,
    /// Shards it was told to have lost, and has not yet answered for.
    pub(super) lost: BTreeSet<Shard>,
    /// What it reads, and from where.
    pub(super) reads: BTreeMap<TopicPartition, i64>,
    /// Of those, partitions that have more for it.
    behind: BTreeSet<TopicPartition>,
    /// Something came since it was last polled.
    fresh: bool,
    /// Somebody called its waker.
    pub(super) woken: bool,
    /// Why it is of no more use.
    pub(super) dead: Option<LogError>,
}

impl State {
    pub(super) fn new(config: MemoryConfig, now: Now) -> Self {
        Self {
            config,
            now,
            partitions: BTreeMap::new(),
            positions: BTreeMap::new(),
            pending: BTreeMap::new(),
            groups: BTreeMap::new(),
            conns: BTreeMap::new(),
            producers: BTreeMap::new(),
            txns: BTreeMap::new(),
            steps: BTreeMap::new(),
            skew: BTreeMap::new(),
            fates: None,
            observer: None,
            waiting: 0,
            numbers: 0,
        }
    }

    /// A number not used before.
    pub(super) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(super) fn schedule(&mut self, after_ms: u64, step: Step) -> (u64, u64) {
        let key = (self.now.mono + after_ms, self.number());
        self.steps.insert(key, step);
        key
    }

    /// Does what is due, in the order in which it was, each at its own time.
    pub(super) fn advance(&mut self, now: Now) {
        let last = now;
        while let Some(at) = self.next_timeout().filter(|at| *at <= last.mono) {
            // The wall clock of a step in the past is as far back.
            let mono = at.max(self.now.mono);
            let wall = last.wall.minus(last.mono - mono);
            self.now = Now { wall, mono };
            while let Some(entry) = self
                .steps
                .first_entry()
                .filter(|entry| entry.key().0 <= mono)
            {
                let step = entry.remove();
                self.run(step);
            }
            self.expire();
        }
        self.now = last;
    }

    pub(super) fn next_timeout(&self) -> Option<u64> {
        let step = self.steps.keys().next().map(|(at, _)| *at);
        let group = self
            .groups
            .values()
            .filter_map(|group| group.next_timeout(&self.config))
            .min();
        [step, group].into_iter().flatten().min()
    }

    pub(super) fn partition(&mut self, of: TopicPartition) -> &mut Partition {
        self.partitions.entry(of).or_default()
    }

    /// Appends a record and shows it to the observer.
    pub(super) fn append(&mut self, record: Outgoing, txn: Option<TxnId>) -> i64 {
        let of = record.to;
        let skew = self.skew.get(&of).copied().unwrap_or(0);
        let mut record = Record {
            offset: 0,
            appended: Millis(self.now.wall.0.saturating_add(skew)),
            key: record.key,
            value: record.value,
            headers: record.headers,
        };
        let offset = self.partition(of).append(&mut record, txn);
        if let Some(observer) = &mut self.observer {
            observer(of, &record);
        }
        self.seen_further(of);
        offset
    }

    /// Tells who reads `of` if there is more to see now.
    pub(super) fn seen_further(&mut self, of: TopicPartition) {
        let Some(stable_end) = self.partitions.get(&of).map(Partition::stable_end) else {
            return;
        };
        for conn in self.conns.values_mut() {
            if conn
                .reads
                .get(&of)
                .is_some_and(|position| *position < stable_end)
            {
                conn.behind.insert(of);
                conn.fresh = true;
            }
        }
    }

    pub(super) fn connect(&mut self) -> ConnId {
        let id = self.number();
        self.conns.insert(id, Conn::default());
        id
    }

    pub(super) fn tell(&mut self, conn: ConnId, generation: Option<u64>, event: LogEvent) {
        if let Some(conn) = self.conns.get_mut(&conn) {
            conn.events.push_back((generation, event));
            conn.fresh = true;
        }
    }

    pub(super) fn has_news(&self, role: Role, member: &str) -> bool {
        self.member_conn(role, member)
            .and_then(|conn| self.conns.get(&conn))
            .is_some_and(|conn| conn.fresh)
    }

    /// Starts reading for a connection.
    pub(super) fn read(&mut self, conn: ConnId, of: TopicPartition, offset: i64) {
        if let Some(conn) = self.conns.get_mut(&conn) {
            conn.reads.insert(of, offset);
        }
        self.seen_further(of);
    }

    /// Stops reading for a connection.
    pub(super) fn stop(&mut self, conn: ConnId, of: TopicPartition) {
        if let Some(conn) = self.conns.get_mut(&conn) {
            conn.reads.remove(&of);
            conn.behind.remove(&of);
        }
    }

    /// Hands out what there is for a connection, within its appetite.
    pub(super) fn collect(
        &mut self,
        id: ConnId,
        appetite: &mut dyn FnMut(TopicPartition) -> usize,
        events: &mut Vec<LogEvent>,
    ) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        for (generation, event) in conn.events.drain(..) {
            conn.generation = generation.unwrap_or(conn.generation);
            events.push(event);
        }
        conn.fresh = false;
        let mut done = Vec::new();
        for of in &conn.behind {
            let (Some(partition), Some(position)) =
                (self.partitions.get(of), conn.reads.get_mut(of))
            else {
                done.push(*of);
                continue;
            };
            let most = appetite(*of);
            if most == 0 {
                continue;
            }
            let (records, read_to) = partition.read(*position, most);
            if read_to > *position {
                *position = read_to;
                events.push(LogEvent::Batch {
                    from: *of,
                    records,
                    position: read_to,
                });
            }
            if read_to >= partition.stable_end() {
                done.push(*of);
            }
        }
        for of in done {
            conn.behind.remove(&of);
        }
    }

    pub(super) fn committed(
        &self,
        role: Role,
        of: &[TopicPartition],
    ) -> Result<Vec<Option<Position>>, LogError> {
        for partition in of {
            if self.pending.contains_key(&(role, *partition)) {
                let role = role.name();
                let text = format!("a position of `{role}` in {partition} is undecided");
                return Err(LogError::Retry(text));
            }
        }
        Ok(of
            .iter()
            .map(|partition| self.positions.get(&(role, *partition)).cloned())
            .collect())
    }

    pub(super) fn ends(&self, of: &[TopicPartition]) -> Vec<(i64, i64)> {
        of.iter()
            .map(|of| {
                self.partitions
                    .get(of)
                    .map_or((0, 0), |it| (it.start(), it.end()))
            })
            .collect()
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.txns.values().all(Txn::is_without_records)
            && !self.groups.values().any(Group::is_moving)
    }

    pub(super) fn is_telling(&self) -> bool {
        self.steps
            .values()
            .any(|step| matches!(step, Step::Tell(..)))
    }

    pub(super) fn undecided(&self) -> Vec<TopicPartition> {
        self.partitions
            .iter()
            .filter(|(_, partition)| partition.stable_end() < partition.end())
            .map(|(of, _)| *of)
            .collect()
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("now", &self.now)
            .field("groups", &self.groups)
            .field("txns", &self.txns)
            .field("undecided", &self.undecided())
            .finish_non_exhaustive()
    }
}
