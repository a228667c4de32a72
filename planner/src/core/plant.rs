//! What comes due within the horizon goes into its slot.
//!
//! Commands and retries plant what is near at once. The rest waits in the order of due times, and
//! two cursors walk along it, a bounded step a turn: one over what is overdue and found no room
//! in time, one over what comes. Neither looks twice at what it passed; whoever puts a task
//! behind a cursor moves the cursor back.

use bytes::Bytes;
use schemas::index::{Ending, Phase, decode_definition};
use schemas::outcome::UnplantedEnd;
use schemas::{
    BucketRecord, Definition, Instance, Millis, MisfirePolicy, Overlap, Placement, Topic, Work,
};

use super::PlannerCore;
use super::index::{Task, Timed, timed_key};
use super::overlay::{WAITING, timed};
use super::ring::Room;
use crate::config::PlannerConfig;
use crate::metrics;
use crate::store::Store;

/// Keys looked at in one step.
const STEP: usize = 512;
/// What a placement takes beside its body, about.
const PLACEMENT_BYTES: u64 = 96;

/// How far the walks along the waiting tasks have come.
#[derive(Clone, Debug)]
pub(super) struct Cursor {
    /// First key not looked at among what is overdue.
    late: Bytes,
    /// First key not looked at among what comes.
    ahead: Bytes,
    /// No room for overdue work was left while this instance was the current one.
    late_stopped: Option<Instance>,
    /// Least due time of what was passed because its slot is at an earlier use.
    blocked: Option<Millis>,
    /// Least due time beyond the horizon, as far as known.
    next_due: Option<Millis>,
    /// A step ended with more to look at.
    more: bool,
    /// The current instance, and the time, of the last walk.
    walked: Option<(Instance, Millis)>,
}

/// What became of a waiting task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Planting {
    /// It is in its slot.
    Planted,
    /// It ended instead.
    Expired,
    /// It is beyond the horizon.
    Far,
    /// This turn has written enough.
    Enough,
    /// Its instance has taken what it may.
    Full,
    /// Its slot is at an earlier use.
    Blocked,
    /// The table cannot be read.
    Unreadable,
}

impl Cursor {
    pub(super) fn new() -> Self {
        let start = Bytes::from_static(&[WAITING]);
        Self {
            late: start.clone(),
            ahead: start,
            late_stopped: None,
            blocked: None,
            next_due: None,
            more: true,
            walked: None,
        }
    }

    /// When there is something to walk for.
    pub(super) fn wake_at(&self, config: &PlannerConfig) -> Option<Millis> {
        let Some((instance, at)) = self.walked.filter(|_| !self.more) else {
            return Some(Millis::MIN);
        };
        let far = self.next_due.map(|due| due.minus(config.horizon_ms));
        let far = far.map(|near_at| near_at.max(at.plus(config.pace_ms)));
        far.into_iter().chain([instance.end()]).min()
    }

    /// Takes that a task stays among the waiting ones at `key`.
    fn stays(&mut self, planting: Planting, due: Millis, key: &Bytes, now: Millis) {
        match planting {
            Planting::Far => self.note_far(due),
            // It is looked at again once it is overdue, or with the next instance.
            Planting::Full if due < Instance::of(now).start() => self.back_late(key),
            Planting::Full => {}
            Planting::Blocked if due < Instance::of(now).start() => self.back_late(key),
            Planting::Blocked => self.note_blocked(due),
            _ => {
                self.more = true;
                self.back_late(key);
                if *key < self.ahead {
                    self.ahead = key.clone();
                }
            }
        }
    }

    fn back_late(&mut self, key: &Bytes) {
        if *key < self.late {
            self.late = key.clone();
            self.more |= self.late_stopped.is_none();
        }
    }

    fn note_far(&mut self, due: Millis) {
        self.next_due = Some(self.next_due.map_or(due, |known| known.min(due)));
    }

    fn note_blocked(&mut self, due: Millis) {
        self.blocked = Some(self.blocked.map_or(due, |known| known.min(due)));
    }

    /// A slot was freed: what was passed for its sake is looked at again.
    pub(super) fn unblock(&mut self) {
        if let Some(due) = self.blocked.take() {
            self.ahead = self.ahead.clone().min(timed(WAITING, due, b""));
        }
        self.late_stopped = None;
        self.more = true;
    }
}

impl<S: Store> PlannerCore<S> {
    /// Saves a waiting task: in its slot where that is near and has room, ended where it is too
    /// late, else to be looked at again.
    pub(super) fn settle(&mut self, mut task: Task, definition: Option<&Definition>) {
        if task.row.shares.is_some() {
            return self.settle_whole(task);
        }
        let due = task.row.firing.leg_due;
        let planting = self.try_plant(&mut task, definition);
        if planting == Planting::Expired {
            return self.expire(task);
        }
        if task.row.phase == Phase::Waiting {
            let key = timed_key(WAITING, due, b't', &task.key, task.part);
            self.cursor.stays(planting, due, &key, self.now);
        }
        self.table.save(task);
    }

    /// Walks on, within the budget of one turn.
    pub(super) fn plant(&mut self) {
        let wake = self.cursor.wake_at(&self.config);
        if wake.is_none_or(|at| at > self.now) {
            return;
        }
        let current = Instance::of(self.now);
        let changed = self
            .cursor
            .walked
            .is_none_or(|(walked, _)| walked != current);
        self.cursor.walked = Some((current, self.now));
        self.cursor.more = false;
        if changed {
            self.cursor.late_stopped = None;
        }
        let all = self.config.turn_placements;
        let mut left = all - all / 2;
        self.plant_late(current, &mut left);
        left += all / 2;
        self.plant_ahead(current, &mut left);
    }

    /// What is overdue, oldest first, while there is room.
    fn plant_late(&mut self, current: Instance, left: &mut usize) {
        let end = timed(WAITING, current.start(), b"");
        while self.cursor.late_stopped.is_none() && self.cursor.late < end {
            let from = self.cursor.late.clone();
            let scan = self.table.scan(&from, &end, STEP);
            for key in scan.keys {
                let Some(planting) = self.plant_waiting(&key, left) else {
                    continue;
                };
                self.cursor.late = key;
                match planting {
                    Planting::Full | Planting::Blocked => self.cursor.late_stopped = Some(current),
                    _ => self.cursor.more = true,
                }
                return;
            }
            self.cursor.late = scan.next.unwrap_or_else(|| end.clone());
        }
    }

    /// What comes, nearest first, up to the horizon.
    fn plant_ahead(&mut self, current: Instance, left: &mut usize) {
        let horizon = self.now.plus(self.config.horizon_ms);
        let end = timed(WAITING, Millis(horizon.0.saturating_add(1)), b"");
        let start = timed(WAITING, current.start(), b"");
        if self.cursor.ahead < start {
            self.cursor.ahead = start;
        }
        'walk: while self.cursor.ahead < end {
            let from = self.cursor.ahead.clone();
            let scan = self.table.scan(&from, &end, STEP);
            for key in scan.keys {
                let Some(planting) = self.plant_waiting(&key, left) else {
                    continue;
                };
                let due = Timed::parse(&key).map_or(self.now, |timed| timed.time);
                if planting == Planting::Blocked {
                    self.cursor.note_blocked(due);
                }
                if matches!(planting, Planting::Full | Planting::Blocked) {
                    // Nothing of this instance fits now: on to the next.
                    self.cursor.ahead = timed(WAITING, Instance::of(due).end(), b"");
                    continue 'walk;
                }
                self.cursor.ahead = key;
                self.cursor.more = true;
                return;
            }
            self.cursor.ahead = scan.next.unwrap_or_else(|| end.clone());
        }
        let from = self.cursor.ahead.clone();
        let beyond = self.table.first(from, &[WAITING + 1]);
        let beyond = beyond.and_then(|key| Timed::parse(&key));
        self.cursor.next_due = beyond.map(|beyond| beyond.time);
    }

    /// Plants the task that waits at `key`; tells why not, if it still waits.
    fn plant_waiting(&mut self, key: &Bytes, left: &mut usize) -> Option<Planting> {
        let task = Timed::parse(key).and_then(|found| {
            let task = self.table.load_part(&found.key, found.part)?;
            Some((found.time, task))
        });
        let Some((due, mut task)) = task else {
            self.table.drop_order(key.clone());
            return None;
        };
        if task.row.phase != Phase::Waiting || task.row.firing.leg_due != due {
            self.table.drop_order(key.clone());
            return None;
        }
        if *left == 0 {
            return Some(Planting::Enough);
        }
        match self.try_plant(&mut task, None) {
            Planting::Planted => {
                *left -= 1;
                self.table.save(task);
                None
            }
            Planting::Expired => {
                *left -= 1;
                self.expire(task);
                None
            }
            other => Some(other),
        }
    }

    /// Writes the placement of a waiting task, if it can be.
    fn try_plant(&mut self, task: &mut Task, definition: Option<&Definition>) -> Planting {
        let firing = task.row.firing;
        if firing.leg_due > self.now.plus(self.config.horizon_ms) {
            return Planting::Far;
        }
        if self.outbox.bytes >= self.config.turn_bytes {
            return Planting::Enough;
        }
        let decoded;
        let definition = match definition {
            Some(definition) => definition,
            None => match self.definition_of(task) {
                Some(definition) => {
                    decoded = definition;
                    &decoded
                }
                None => return Planting::Unreadable,
            },
        };
        let expires_at = expiry_of(task, definition);
        if expires_at.is_some_and(|at| at < self.now.max(firing.leg_due)) {
            return Planting::Expired;
        }
        let body = work(task, definition, self.now).encode(&definition.payload.bytes);
        let bytes = u64::try_from(body.len()).unwrap_or(u64::MAX) + PLACEMENT_BYTES;
        let (instance, late) = match self.ring.choose(firing.leg_due, bytes, self.now) {
            Room::In { instance, late } => (instance, late),
            room => {
                ::metrics::counter!(metrics::NO_ROOM).increment(1);
                return match room {
                    Room::Full => Planting::Full,
                    _ => Planting::Blocked,
                };
            }
        };
        self.ring.count_placement(instance, bytes, late);
        let placement = Placement {
            instance,
            due: firing.leg_due,
            fire_id: firing.fire_id,
            leg: firing.leg,
            priority: task.row.priority,
            expires_at,
        };
        let record = BucketRecord::Placement(placement, body).encode();
        self.write(Topic::Bucket(instance.slot()), None, record);
        self.tally.placement();
        task.row.phase = Phase::Planted {
            instance,
            began: false,
        };
        Planting::Planted
    }

    /// A waiting task, or firing of one, came too late to be planted.
    pub(super) fn expire(&mut self, mut task: Task) {
        self.unplanted(&task, UnplantedEnd::Expired, None);
        let began = task.row.firing.attempt > 1;
        if task.part.is_some() {
            return self.firing_ended(task, Ending::Expired, began, self.now);
        }
        self.end(&mut task, Ending::Expired, began);
        self.table.save(task);
    }

    /// A task's definition, read from the table.
    pub(super) fn definition_of(&mut self, task: &Task) -> Option<Definition> {
        let bytes = self.table.definition(task)?;
        self.table.understood(decode_definition(&bytes))
    }
}

/// When a firing is too late to be called. The first leg of an occurrence whose task leaves misfires
/// out is too late with the threshold.
pub(super) fn expiry_of(task: &Task, definition: &Definition) -> Option<Millis> {
    let firing = &task.row.firing;
    // What is fired belatedly is late on purpose.
    let belated = task.part.is_some_and(|part| part.backfill().is_some());
    let expires = told_expiry(task, definition).filter(|_| !belated);
    let strict = definition.misfire.policy == MisfirePolicy::Skip
        && definition.overlap == Overlap::Allow
        && firing.attempt == 1
        && task.part.is_some_and(|part| part.manual == 0);
    let misfires = strict.then(|| firing.due.plus(definition.misfire.threshold_ms));
    expires.into_iter().chain(misfires).min()
}

/// When it is too late for any leg of the firing.
fn told_expiry(task: &Task, definition: &Definition) -> Option<Millis> {
    let expires = definition.expires_after_ms;
    expires.map(|ms| task.row.firing.due.plus(ms))
}

/// What the firing carries to the dispatcher.
fn work(task: &Task, definition: &Definition, now: Millis) -> Work {
    let firing = &task.row.firing;
    Work {
        task: task.key.clone(),
        version: firing.version,
        occurrence: firing.occurrence,
        part: task.part,
        shards: definition.broadcast,
        attempt: firing.attempt,
        due: firing.due,
        registered_at: task.row.registered_at,
        planted_at: now,
        call: definition.call.clone(),
        content_type: definition.payload.content_type.clone(),
        timeout_ms: definition.timeout_ms,
        retry: definition.retry.clone(),
        expires_at: told_expiry(task, definition),
    }
}
