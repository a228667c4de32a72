//! The dispatcher's core: one shard's three lanes as a pure state machine.

mod attempt;
mod fence;
mod frontier;
mod herald;
mod hold;
mod lane;
mod note;
mod outbox;
mod outcome;
mod past;
mod recall;
mod retry;
mod share;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use pipeline::{Ask, Factory, Now, Opening, Pace, Record, Stage, TopicPartition, Turn};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use schemas::{Millis, Priority, Shard, Topic};

use crate::config::Config;
use crate::event::{CallOrder, Effect, Input, Token};
use crate::metrics;
use fence::Fence;
use herald::Herald;
use lane::Lane;
use past::Past;
use share::LANES;

/// The lanes, the driver topic first.
const TOPICS: [Topic; LANES] = [
    Topic::Fires(Priority::Normal),
    Topic::Fires(Priority::High),
    Topic::Fires(Priority::Low),
];

/// Calls that are ordered before the first of them is handed out, and records taken before it is looked again
/// what is due: a burst's first call waits for neither all of its orders nor all of its fires.
const AT_ONCE: usize = 256;

/// Makes the cores of one worker.
#[derive(Debug)]
pub struct DispatcherFactory {
    config: Arc<Config>,
    seed: u64,
    /// Cores made so far: tells a core's tokens from those of its predecessors.
    made: u32,
    /// What the last core of a shard left for the next.
    past: BTreeMap<Shard, Past>,
}

/// One shard of the dispatcher.
#[derive(Debug)]
pub struct Dispatcher {
    config: Arc<Config>,
    number: u32,
    /// High, normal, low.
    lanes: [Lane; LANES],
    asks: VecDeque<Ask>,
    effects: VecDeque<Effect>,
    fence: Fence,
    herald: Herald,
    rng: SmallRng,
    revoked: bool,
    last: Now,
}

impl DispatcherFactory {
    /// A factory whose cores spread their retries by generators made from `seed`.
    #[must_use]
    pub fn new(config: Config, seed: u64) -> Self {
        Self {
            config: Arc::new(config),
            seed,
            made: 0,
            past: BTreeMap::new(),
        }
    }
}

impl Factory for DispatcherFactory {
    type Stage = Dispatcher;

    fn topics(&self) -> Vec<Topic> {
        TOPICS.to_vec()
    }

    /// Nobody is late for an outcome that comes later; but what was not committed when a process dies
    /// is called again.
    fn pace(&self) -> Pace {
        Pace {
            least_ms: 60,
            most_ms: 150,
            busy_rate: 12_000,
        }
    }

    fn open(&mut self, opening: Opening) -> Dispatcher {
        self.made = self.made.wrapping_add(1);
        let seed = self.seed ^ (u64::from(opening.shard.0) << 32) ^ u64::from(self.made);
        let past = self.past.remove(&opening.shard).unwrap_or_default();
        let config = Arc::clone(&self.config);
        Dispatcher::new(config, self.made, seed, &opening, past)
    }

    fn close(&mut self, shard: Shard, stage: Dispatcher) {
        let past = stage.into_past();
        if !past.is_empty() {
            self.past.insert(shard, past);
        }
    }

    /// The next owner does not know of these calls, and would make them again.
    fn is_unfinished(&self, shard: Shard) -> bool {
        self.past.contains_key(&shard)
    }

    fn assigned(&mut self, shards: &[Shard]) {
        self.past.retain(|shard, _| shards.contains(shard));
    }

    fn handle_input(&mut self, shard: Shard, input: Input) {
        let past = self.past.get_mut(&shard);
        if !past.is_some_and(|past| past.handle_input(input)) {
            ::metrics::counter!(metrics::STALE_ANSWERS).increment(1);
        }
    }
}

impl Dispatcher {
    fn new(config: Arc<Config>, number: u32, seed: u64, opening: &Opening, past: Past) -> Self {
        let mut past = past.lanes.into_iter();
        let lanes = Priority::ALL.map(|priority| {
            let topic = Topic::Fires(priority);
            let start = opening.ends.get(&topic).map_or(0, |(start, _)| *start);
            let committed = opening.committed.get(&topic);
            let past = past.next().unwrap_or_default();
            let of = TopicPartition::new(topic, opening.shard);
            Lane::new(of, committed, start, past)
        });
        Self {
            config,
            number,
            asks: lanes
                .iter()
                .map(|lane| Ask::Read(lane.topic(), lane.read_from()))
                .collect(),
            lanes,
            effects: VecDeque::new(),
            fence: Fence::new(opening.session_timeout_ms, opening.now),
            herald: Herald::default(),
            rng: SmallRng::seed_from_u64(seed),
            revoked: false,
            last: opening.now,
        }
    }

    /// What its successor in this process must know.
    fn into_past(mut self) -> Past {
        self.take_back_orders();
        Past {
            lanes: self.lanes.map(Lane::into_past),
        }
    }

    /// What was not handed out has not begun.
    fn take_back_orders(&mut self) {
        for effect in std::mem::take(&mut self.effects) {
            let Effect::Call(order) = effect else {
                continue;
            };
            if let Some(lane) = lane_of(&mut self.lanes, order.token) {
                lane.take_back(order.token);
            }
        }
    }

    /// Calls in flight.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.lanes.iter().map(Lane::calls).sum()
    }

    /// Does what the time asks for.
    fn advance(&mut self, now: Now) {
        self.last = now;
        if self.revoked {
            return;
        }
        let longest = self.config.longest_hold_ms();
        let settle = self.fence.may_cancel(now);
        for lane in &mut self.lanes {
            if settle {
                lane.settle(now.wall);
            }
            lane.hand_back(longest, now.wall);
        }
        self.begin_due(now);
    }

    fn begin_due(&mut self, now: Now) {
        let Some(begin_by) = self.fence.begin_by().filter(|by| now.mono < *by) else {
            if self.lanes.iter().any(|lane| is_due(lane, now.wall)) {
                ::metrics::counter!(metrics::UNPROVED).increment(1);
            }
            return;
        };
        let mut left = AT_ONCE.saturating_sub(self.effects.len());
        for index in 0..LANES {
            while let Some(offset) = self.lanes[index].first_due(now.wall) {
                if left == 0 || !self.may_begin(index) {
                    break;
                }
                left -= 1;
                let Some((fire, work, payload)) =
                    self.lanes[index].begin(offset, self.number, now.wall)
                else {
                    break;
                };
                self.effects.push_back(Effect::Call(Box::new(CallOrder {
                    token: self.token(index, offset),
                    fire,
                    work,
                    payload,
                    begin_by,
                })));
            }
        }
    }

    fn may_begin(&self, lane: usize) -> bool {
        let in_flight = std::array::from_fn(|index| self.lanes[index].calls());
        share::may_begin(lane, in_flight, self.config.max_calls_per_shard)
    }

    fn token(&self, lane: usize, offset: i64) -> Token {
        Token {
            core: self.number,
            lane: u8::try_from(lane).unwrap_or(u8::MAX),
            offset,
        }
    }
}

impl Stage for Dispatcher {
    type Input = Input;
    type Effect = Effect;

    fn handle_batch(&mut self, topic: Topic, records: Vec<Record>, position: i64, now: Now) {
        let may_cancel = self.fence.may_cancel(now);
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.topic() == topic) {
            lane.handle_batch(records, position, may_cancel, now);
            lane.end_known(now.wall, &mut self.rng);
            for work in lane.take_coming() {
                if self.herald.tells(&work.call.url, now.wall) {
                    self.effects.push_back(Effect::Soon(work));
                }
            }
        }
        self.advance(now);
    }

    fn handle_input(&mut self, input: Input, now: Now) {
        let lane = lane_of(&mut self.lanes, input.token());
        let rng = &mut self.rng;
        let known = lane.is_some_and(|lane| lane.handle_input(input, now.wall, rng));
        if !known {
            ::metrics::counter!(metrics::STALE_ANSWERS).increment(1);
        }
        self.advance(now);
    }

    fn handle_timeout(&mut self, now: Now) {
        self.advance(now);
    }

    fn poll_timeout(&self) -> Option<Millis> {
        if self.revoked {
            return None;
        }
        let settle = self
            .lanes
            .iter()
            .any(Lane::is_asked)
            .then(|| self.fence.quiet_until(self.last));
        // Without a proof the next commit wakes what waits, without a place the next answer.
        let due = (0..LANES)
            .filter(|index| self.fence.may_begin(self.last) && self.may_begin(*index))
            .filter_map(|index| self.lanes[index].next_due())
            .min();
        settle.into_iter().chain(due).min()
    }

    fn appetite(&self, topic: Topic) -> usize {
        // Once revoked, only what was called before is read back.
        self.lanes
            .iter()
            .find(|lane| lane.topic() == topic && (!self.revoked || lane.remembers()))
            .map_or(0, |lane| lane.appetite(&self.config).min(AT_ONCE))
    }

    fn poll_ask(&mut self) -> Option<Ask> {
        self.asks.pop_front()
    }

    fn handle_end(&mut self, _topic: Topic, _end: i64, now: Now) {
        // No end is ever asked for.
        self.last = now;
    }

    fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    fn wants_turn(&self, _now: Now) -> bool {
        self.fence.is_new() || self.lanes.iter().any(Lane::wants_turn)
    }

    fn take_turn(&mut self, now: Now) -> Turn<Effect> {
        self.last = now;
        self.fence.cut();
        let mut turn = Turn {
            records: Vec::new(),
            positions: Vec::with_capacity(LANES),
            after: Vec::new(),
            folded: 0,
        };
        for topic in TOPICS {
            if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.topic() == topic) {
                let cut = lane.cut();
                turn.records.extend(cut.records);
                turn.folded += cut.folded;
                turn.positions.push((topic, cut.position));
            }
        }
        turn
    }

    fn handle_committed(&mut self, proven_at: u64, now: Now) {
        self.fence.committed(proven_at);
        self.lanes.iter_mut().for_each(Lane::committed);
        self.advance(now);
    }

    fn handle_revoke(&mut self, now: Now) {
        self.last = now;
        self.revoked = true;
        self.take_back_orders();
    }

    fn is_idle(&self) -> bool {
        self.calls() == 0 && !self.lanes.iter().any(Lane::remembers)
    }
}

/// The lane of a call.
fn lane_of(lanes: &mut [Lane; LANES], token: Token) -> Option<&mut Lane> {
    lanes.get_mut(usize::from(token.lane))
}

fn is_due(lane: &Lane, now: Millis) -> bool {
    lane.next_due().is_some_and(|due| due <= now)
}
