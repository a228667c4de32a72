//! The facts that the log shows to readers of committed records.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use archive::Row;
use pipeline::{Record, TopicPartition};
use schemas::outcome::{Decision, End, MissedWhy, UnplantedEnd};
use schemas::{
    AnswerBody, BucketRecord, FireId, FiringPart, LaneRecord, Millis, OutcomeRecord, Priority,
    Slot, TaskKey, Topic, Work,
};

use crate::world::World;

/// What became of every leg and firing.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// By firing and leg.
    pub(super) legs: BTreeMap<(FireId, u32), Leg>,
    /// Ends of firings: one each.
    pub(super) finals: BTreeMap<FireId, Vec<Fact>>,
    /// Tasks that were taken back, and when last.
    pub(super) taken_back: BTreeMap<TaskKey, u64>,
    /// What became of the occurrences of recurring tasks.
    pub(super) fates: BTreeMap<TaskKey, Vec<Fate>>,
    /// What became of the shards of broadcasts.
    pub(super) wholes: BTreeMap<Whole, Shards>,
    /// What must be in the archive.
    pub(super) rows: BTreeMap<(FireId, u32), Row>,
}

/// A firing that is a broadcast.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Whole {
    pub(super) task: TaskKey,
    pub(super) version: u64,
    pub(super) occurrence: u64,
    pub(super) manual: u64,
}

/// What became of its shards.
#[derive(Clone, Debug, Default)]
pub(super) struct Shards {
    /// Those that ended, by a call, too late, or taken back.
    pub(super) over: BTreeSet<u32>,
    /// One ended by its call.
    pub(super) called: bool,
    /// Those that were not made never were.
    pub(super) rest_given_up: bool,
}

/// How often what happened to a leg.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Leg {
    pub(super) placed: u32,
    pub(super) fired: u32,
    /// Revoked or expired in the wheel.
    pub(super) taken: u32,
    /// By its call, or by a recall.
    pub(super) ended: u32,
}

/// What became of one occurrence of a recurring task, or of several that were left out.
#[derive(Clone, Debug)]
pub(super) struct Fate {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) from: Millis,
    pub(super) to: Millis,
    pub(super) manual: bool,
    /// Taken back before a call began.
    pub(super) taken: bool,
    /// Why it was left out, and when that was decided, if it was.
    pub(super) left_out: Option<(MissedWhy, Millis)>,
    /// Ms behind the beginning, of its append.
    pub(super) at: u64,
}

/// An end of a firing.
#[derive(Clone, Debug)]
pub(super) struct Fact {
    pub(super) task: TaskKey,
    pub(super) end: Final,
    /// What the call answered, if it came to one.
    pub(super) answer: Option<AnswerBody>,
    /// Ms behind the beginning, of its append.
    pub(super) at: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Final {
    Ended(End),
    Expired,
    /// Taken back.
    Cancelled,
    /// Ended without a call by what it needed.
    Skipped,
}

impl Facts {
    pub(super) fn read(world: &mut World) -> Self {
        let mut facts = Self::default();
        let plan = Arc::clone(&world.plan);
        for shard in plan.shards.all() {
            let mut read = |topic| world.all_records(TopicPartition::new(topic, shard));
            for record in Slot::all().flat_map(|slot| read(Topic::Bucket(slot))) {
                facts.take_bucket(&record);
            }
            for record in Priority::ALL
                .into_iter()
                .flat_map(|it| read(Topic::Fires(it)))
            {
                facts.take_fire(&record);
            }
            for record in read(Topic::Outcomes) {
                let at = record.appended.since(plan.base);
                facts.take_outcome(&record, at);
            }
        }
        facts
    }

    /// The ends of a task's firings.
    pub(super) fn of_task<'a>(&'a self, task: &'a TaskKey) -> impl Iterator<Item = &'a Fact> {
        self.finals
            .values()
            .flatten()
            .filter(move |fact| fact.task == *task)
    }

    fn leg(&mut self, fire_id: FireId, leg: u32) -> &mut Leg {
        self.legs.entry((fire_id, leg)).or_default()
    }

    fn take_bucket(&mut self, record: &Record) {
        let Some(value) = &record.value else { return };
        if let Ok(BucketRecord::Placement(it, _)) = BucketRecord::decode(value) {
            self.leg(it.fire_id, it.leg).placed += 1;
        }
    }

    fn take_fire(&mut self, record: &Record) {
        let Some(value) = &record.value else { return };
        if let Ok(LaneRecord::Fire(it, _)) = LaneRecord::decode(value) {
            self.leg(it.fire_id, it.leg).fired += 1;
        }
    }

    /// What an outcome says of a shard.
    fn take_share(&mut self, outcome: &OutcomeRecord) {
        let (task, version, part, called) = match outcome {
            OutcomeRecord::Ended(it) if !matches!(it.end, End::Again { .. }) => {
                (it.task.clone(), it.version, it.part, true)
            }
            OutcomeRecord::Revoked(_, body)
            | OutcomeRecord::Expired(_, body)
            | OutcomeRecord::Recalled(_, body) => match Work::decode(body) {
                Ok((work, _)) => (work.task, work.version, work.part, false),
                Err(_) => return,
            },
            OutcomeRecord::Unplanted(it) => {
                // It does not say which shard it was, but its name does.
                return self.take_unplanted(it);
            }
            _ => return,
        };
        let Some((part, shard)) = part.and_then(|part| Some((part, part.shard()?))) else {
            return;
        };
        let whole = Whole {
            task,
            version,
            occurrence: part.occurrence,
            manual: part.manual,
        };
        let shards = self.wholes.entry(whole).or_default();
        shards.over.insert(shard);
        shards.called |= called;
    }

    fn take_unplanted(&mut self, it: &schemas::outcome::Unplanted) {
        // Broadcasts of plans have few shards, and are run by hand a few times.
        for manual in 0..8 {
            let part = FiringPart {
                manual,
                ..FiringPart::occurrence(it.occurrence)
            };
            let whole = Whole {
                task: it.task.clone(),
                version: it.version,
                occurrence: it.occurrence,
                manual,
            };
            let named = |part: FiringPart| FireId::new(&it.task, part.named(it.version));
            if named(part) == it.fire_id {
                self.wholes.entry(whole).or_default().rest_given_up = true;
                return;
            }
            if let Some(shard) = (0..16).find(|n| named(part.of_shard(*n)) == it.fire_id) {
                self.wholes.entry(whole).or_default().over.insert(shard);
                return;
            }
        }
    }

    fn take_outcome(&mut self, record: &Record, at: u64) {
        let Some(value) = &record.value else { return };
        let Ok(outcome) = OutcomeRecord::decode(value) else {
            return;
        };
        for one in outcome.into_each() {
            self.take_one_outcome(one, at);
        }
    }

    fn take_one_outcome(&mut self, outcome: OutcomeRecord, at: u64) {
        self.take_share(&outcome);
        if let Some((task, fate)) = fate_of(&outcome, at) {
            self.fates.entry(task).or_default().push(fate);
        }
        for row in Row::of(outcome.clone()).unwrap_or_default() {
            self.rows.insert((row.fire_id, row.leg), row);
        }
        let mut answer = None;
        let expired = matches!(outcome, OutcomeRecord::Expired(..));
        let (fire_id, task, end) = match outcome {
            OutcomeRecord::Ended(it) => {
                self.leg(it.fire_id, it.leg).ended += 1;
                answer = it.answer.map(|answer| answer.body.unwrap_or_default());
                (it.fire_id, it.task, Final::Ended(it.end))
            }
            OutcomeRecord::Recalled(it, body) if it.decision == Decision::Cancelled => {
                self.leg(it.fire_id, it.leg).ended += 1;
                let Ok((work, _)) = Work::decode(&body) else {
                    return;
                };
                (it.fire_id, work.task, Final::Cancelled)
            }
            OutcomeRecord::Revoked(it, body) | OutcomeRecord::Expired(it, body) => {
                self.leg(it.fire_id, it.leg).taken += 1;
                let Ok((work, _)) = Work::decode(&body) else {
                    return;
                };
                let end = if expired {
                    Final::Expired
                } else {
                    Final::Cancelled
                };
                (it.fire_id, work.task, end)
            }
            OutcomeRecord::Unplanted(it) => {
                use schemas::outcome::UnplantedEnd::{Cancelled, Dead, Expired, NotTaken};
                let end = match it.end {
                    Cancelled => Final::Cancelled,
                    Expired => Final::Expired,
                    NotTaken | Dead => Final::Skipped,
                };
                (it.fire_id, it.task, end)
            }
            OutcomeRecord::Recalled(..)
            | OutcomeRecord::Drained(_)
            | OutcomeRecord::Missed(_)
            | OutcomeRecord::Completed(_) => return,
        };
        if end == Final::Cancelled {
            self.taken_back.insert(task.clone(), at);
        }
        // A leg that goes on, or was taken back to be moved, is no end of its firing.
        if !matches!(end, Final::Ended(End::Again { .. })) && end != Final::Cancelled {
            self.finals.entry(fire_id).or_default().push(Fact {
                task,
                end,
                answer,
                at,
            });
        }
    }
}

/// What an outcome says of occurrences; of a task that fires once it says the same of its only one.
fn fate_of(outcome: &OutcomeRecord, at: u64) -> Option<(TaskKey, Fate)> {
    let of_work = |body, taken| {
        let (work, _) = Work::decode(body).ok()?;
        let fate = Fate {
            first: work.occurrence,
            last: work.occurrence,
            from: work.due,
            to: work.due,
            manual: work.part.is_some_and(|part| part.manual > 0),
            taken,
            left_out: None,
            at,
        };
        Some((work.task, fate))
    };
    match outcome {
        OutcomeRecord::Ended(it) if !matches!(it.end, End::Again { .. }) => {
            let fate = Fate {
                first: it.occurrence,
                last: it.occurrence,
                from: it.phases.due,
                to: it.phases.due,
                manual: it.part.is_some_and(|part| part.manual > 0),
                taken: false,
                left_out: None,
                at,
            };
            Some((it.task.clone(), fate))
        }
        OutcomeRecord::Recalled(it, body) if it.decision == Decision::Cancelled => {
            of_work(body, true)
        }
        OutcomeRecord::Revoked(_, body) => of_work(body, true),
        OutcomeRecord::Expired(_, body) => of_work(body, false),
        OutcomeRecord::Unplanted(it) => {
            // Only its name tells a manual run from the occurrence that would have been next.
            // So it does of the shards of a broadcast; plans have few.
            let own = FiringPart::occurrence(it.occurrence);
            let named = |part: FiringPart| FireId::new(&it.task, part.named(it.version));
            let shards = (0..16).map(|shard| own.of_shard(shard));
            let scheduled = std::iter::once(own)
                .chain(shards)
                .any(|part| named(part) == it.fire_id);
            let fate = Fate {
                first: it.occurrence,
                last: it.occurrence,
                from: it.due,
                to: it.due,
                manual: !scheduled,
                taken: it.end != UnplantedEnd::Expired,
                left_out: None,
                at,
            };
            Some((it.task.clone(), fate))
        }
        OutcomeRecord::Missed(it) => {
            let fate = Fate {
                first: it.first,
                last: it.last,
                from: it.from,
                to: it.to,
                manual: false,
                taken: false,
                left_out: Some((it.why, it.at)),
                at,
            };
            Some((it.task.clone(), fate))
        }
        _ => None,
    }
}
