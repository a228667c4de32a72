//! A trigger and a dispatcher as small as can be: they read the bucket topics in order, count, and
//! decide revokes and recalls by the rules of the protocol.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use pipeline::Record;
use schemas::bucket::{Revoke, Seal};
use schemas::outcome::{Again, Answer, Decision, Drained, End, Ended, Phases, Recalled, Taken};
use schemas::{
    AnswerBody, BucketRecord, CommandAnswer, FireId, Instance, Millis, OutcomeRecord, Placement,
    Slot, TaskId, Topic, Work,
};

use super::shares::{is, share_name};

#[derive(Default)]
pub(crate) struct Behind {
    /// Reads nothing while set.
    pub(crate) stopped: bool,
    /// How far each bucket was read.
    read: BTreeMap<Slot, usize>,
    wheel: Vec<(Placement, Bytes)>,
    /// Fired: whether the call began.
    open: Vec<(Placement, Bytes, bool)>,
    ledgers: BTreeMap<Slot, Ledger>,
    outcomes: Vec<OutcomeRecord>,
    /// Every (fire id, leg) that ever fired.
    pub(crate) fired: Vec<(FireId, u32)>,
    /// Every firing ever planted, by task.
    known: BTreeMap<TaskId, BTreeSet<FireId>>,
    /// Tasks that were ever called.
    called: BTreeSet<TaskId>,
    /// Firings of which `cancelled` was said.
    banned: BTreeSet<FireId>,
    /// What is due is called by itself, and ends well so long after its due time, ms.
    pub(crate) calls_take: Option<u64>,
    /// Calls made by themselves, in order: the id, which occurrence, and the due time.
    pub(crate) calls: Vec<(TaskId, u64, Millis)>,
    /// Of those, the ones that go on: when they end.
    busy: Vec<(Millis, FireId)>,
}

struct Ledger {
    instance: Instance,
    placements: u64,
    revokes: u64,
    fired: u64,
    revoked: u64,
    expired: u64,
    sealed: bool,
    drained: bool,
}

impl Behind {
    pub(crate) fn work(
        &mut self,
        log: &BTreeMap<Topic, Vec<Record>>,
        now: Millis,
        outcomes: &mut Vec<OutcomeRecord>,
    ) {
        outcomes.append(&mut self.outcomes);
        if self.stopped {
            return;
        }
        for slot in Slot::all() {
            let records = log.get(&Topic::Bucket(slot)).map_or(&[][..], Vec::as_slice);
            let from = self.read.insert(slot, records.len()).unwrap_or(0);
            for record in &records[from..] {
                let value = record.value.as_ref().unwrap();
                self.take(slot, BucketRecord::decode(value).unwrap(), now);
            }
            self.drain(slot);
        }
        if let Some(ms) = self.calls_take {
            self.call_what_is_due(ms, now);
            Slot::all().for_each(|slot| self.drain(slot));
        }
        outcomes.append(&mut self.outcomes);
    }

    fn call_what_is_due(&mut self, takes: u64, now: Millis) {
        while let Some(at) = self.wheel.iter().position(|(it, _)| it.due <= now) {
            let (placement, body) = self.wheel.remove(at);
            let (work, _) = Work::decode(&body).unwrap();
            if placement.expires_at.is_some_and(|at| at < now) {
                self.count(&placement).expired += 1;
                let taken = taken(&placement, now);
                self.outcomes.push(OutcomeRecord::Expired(taken, body));
                continue;
            }
            self.count(&placement).fired += 1;
            self.fired.push((placement.fire_id, placement.leg));
            assert!(!self.banned.contains(&placement.fire_id), "T4: {work:?}");
            self.called.insert(work.task.id.clone());
            self.calls.push((work.task.id, work.occurrence, work.due));
            self.busy
                .push((placement.due.plus(takes), placement.fire_id));
            self.open.push((placement, body, true));
        }
        let (over, busy) = self.busy.drain(..).partition(|(end, _)| *end <= now);
        self.busy = busy;
        let mut over: Vec<(Millis, FireId)> = over;
        over.sort();
        for (end, fire_id) in over {
            let at = self.open.iter().position(|(it, ..)| it.fire_id == fire_id);
            self.end_at(at.unwrap(), "success", end, None, end);
        }
    }

    fn take(&mut self, slot: Slot, record: BucketRecord, now: Millis) {
        match record {
            BucketRecord::Placement(placement, body) => {
                let ledger = self.ledger(slot, placement.instance);
                assert!(!ledger.sealed, "T5: behind its seal: {placement:?}");
                ledger.placements += 1;
                let id = Work::decode(&body).unwrap().0.task.id;
                self.known.entry(id).or_default().insert(placement.fire_id);
                self.wheel.push((placement, body));
            }
            BucketRecord::Revoke(revoke) => self.revoke(slot, &revoke, now),
            BucketRecord::Seal(seal) => self.seal(slot, seal),
            BucketRecord::Free(instance) => {
                let ledger = self.ledgers.remove(&slot).unwrap();
                assert!(ledger.drained && ledger.instance == instance);
            }
        }
    }

    fn ledger(&mut self, slot: Slot, instance: Instance) -> &mut Ledger {
        assert_eq!(instance.slot(), slot);
        let ledger = self.ledgers.entry(slot).or_insert(Ledger {
            instance,
            placements: 0,
            revokes: 0,
            fired: 0,
            revoked: 0,
            expired: 0,
            sealed: false,
            drained: false,
        });
        assert_eq!(
            ledger.instance, instance,
            "the slot is still at another use"
        );
        ledger
    }

    fn seal(&mut self, slot: Slot, seal: Seal) {
        let ledger = self.ledger(slot, seal.instance);
        assert_eq!(
            (seal.placements, seal.revokes),
            (ledger.placements, ledger.revokes)
        );
        ledger.sealed = true;
    }

    fn drain(&mut self, slot: Slot) {
        let Some(ledger) = self.ledgers.get_mut(&slot) else {
            return;
        };
        let done = ledger.fired + ledger.revoked + ledger.expired;
        if ledger.sealed && !ledger.drained && done == ledger.placements {
            ledger.drained = true;
            self.outcomes.push(OutcomeRecord::Drained(Drained {
                instance: ledger.instance,
                placements: ledger.placements,
                fired: ledger.fired,
                revoked: ledger.revoked,
                expired: ledger.expired,
            }));
        }
    }

    fn revoke(&mut self, slot: Slot, revoke: &Revoke, now: Millis) {
        if let Some(ledger) = self.ledgers.get_mut(&slot)
            && ledger.instance == revoke.instance
            && !ledger.sealed
        {
            ledger.revokes += 1;
        }
        let same = |p: &Placement| p.fire_id == revoke.fire_id && p.leg == revoke.leg;
        if let Some(at) = self.wheel.iter().position(|(p, _)| same(p)) {
            let (placement, body) = self.wheel.remove(at);
            self.count(&placement).revoked += 1;
            let taken = taken(&placement, now);
            return self.outcomes.push(OutcomeRecord::Revoked(taken, body));
        }
        let open = self.open.iter().position(|(p, ..)| same(p));
        let (decision, body) = match open {
            None => (Decision::Gone, Bytes::new()),
            Some(at) if self.open[at].2 => (Decision::TooLate, Bytes::new()),
            Some(at) => (Decision::Cancelled, self.open.remove(at).1),
        };
        let recalled = Recalled {
            fire_id: revoke.fire_id,
            leg: revoke.leg,
            purpose: revoke.purpose,
            decision,
            task: None,
            at: now,
        };
        self.outcomes.push(OutcomeRecord::Recalled(recalled, body));
    }

    fn count(&mut self, placement: &Placement) -> &mut Ledger {
        self.ledgers.get_mut(&placement.instance.slot()).unwrap()
    }

    fn in_wheel(&self, id: &TaskId) -> usize {
        let of = |(_, body): &(Placement, Bytes)| is(&Work::decode(body).unwrap().0, id);
        let at = self.wheel.iter().position(of);
        at.unwrap_or_else(|| panic!("`{id}` is not in the wheel"))
    }

    fn in_open(&self, id: &TaskId) -> usize {
        let of = |(_, body, _): &(Placement, Bytes, bool)| is(&Work::decode(body).unwrap().0, id);
        let at = self.open.iter().position(of);
        at.unwrap_or_else(|| panic!("`{id}` is not fired"))
    }

    /// Takes it from the wheel to the dispatcher.
    pub(crate) fn fire(&mut self, id: &TaskId) {
        let (placement, body) = self.wheel.remove(self.in_wheel(id));
        let name = (placement.fire_id, placement.leg);
        assert!(!self.fired.contains(&name), "T3: fired twice: {name:?}");
        self.fired.push(name);
        self.count(&placement).fired += 1;
        self.open.push((placement, body, false));
    }

    /// It left the wheel too late.
    pub(crate) fn expire(&mut self, id: &TaskId, now: Millis) {
        let (placement, body) = self.wheel.remove(self.in_wheel(id));
        self.count(&placement).expired += 1;
        let taken = taken(&placement, now);
        self.outcomes.push(OutcomeRecord::Expired(taken, body));
    }

    pub(crate) fn begin(&mut self, id: &TaskId) {
        let at = self.in_open(id);
        let fire_id = self.open[at].0.fire_id;
        assert!(!self.banned.contains(&fire_id), "T4: `{id}` was cancelled");
        let (work, _) = Work::decode(&self.open[at].1).unwrap();
        self.called.insert(work.task.id);
        self.open[at].2 = true;
    }

    /// What the planner said of a task must be true, and stay so.
    pub(crate) fn told(&mut self, id: &TaskId, answer: &CommandAnswer) {
        match answer {
            CommandAnswer::Cancelled => {
                let known = self.known.get(id).into_iter().flatten();
                self.banned.extend(known.copied());
            }
            CommandAnswer::TooLate => {
                assert!(self.called.contains(id), "T4: `{id}` was never called");
            }
            _ => {}
        }
    }

    /// The leg ends so.
    pub(crate) fn end(&mut self, id: &TaskId, how: &str, wait: u64, now: Millis) {
        self.end_with(id, how, wait, None, now);
    }

    /// The leg ends so, with that answer.
    pub(crate) fn end_with(
        &mut self,
        id: &TaskId,
        how: &str,
        wait: u64,
        said: Option<AnswerBody>,
        now: Millis,
    ) {
        self.end_at(self.in_open(id), how, now.plus(wait), said, now);
    }

    fn end_at(
        &mut self,
        open: usize,
        how: &str,
        at: Millis,
        said: Option<AnswerBody>,
        now: Millis,
    ) {
        let (placement, body, began) = self.open.remove(open);
        let (work, _) = Work::decode(&body).unwrap();
        let attempt = work.attempt;
        let end = match how {
            "success" => End::Success,
            "dead" => End::Dead {
                reason: "given up".to_owned(),
            },
            "expired" => End::Expired,
            "again" => End::Again {
                at,
                attempt: attempt + 1,
                why: Again::Retry,
            },
            "hold" => End::Again {
                at,
                attempt,
                why: Again::Hold,
            },
            other => panic!("no such end: {other}"),
        };
        let called = began && how != "hold";
        let answer = Answer {
            status: Some(200),
            error: None,
            body: said,
        };
        self.outcomes.push(OutcomeRecord::Ended(Ended {
            task: work.task,
            version: work.version,
            occurrence: work.occurrence,
            part: work.part,
            fire_id: placement.fire_id,
            leg: placement.leg,
            attempt,
            end,
            answer: called.then_some(answer),
            phases: Phases {
                registered_at: work.registered_at,
                planted_at: work.planted_at,
                due: work.due,
                leg_due: placement.due,
                triggered_at: now,
                received_at: now,
                began_at: called.then_some(now),
                ended_at: now,
            },
        }));
    }

    /// What a task in the wheel will send: its content type and payload.
    pub(crate) fn payload(&self, id: &TaskId) -> String {
        let (_, body) = &self.wheel[self.in_wheel(id)];
        let (work, payload) = Work::decode(body).unwrap();
        let text = String::from_utf8_lossy(&payload).into_owned();
        format!("{} {text}", work.content_type.unwrap_or_default())
    }

    /// Who is in the wheel, as `id#leg`, in the order planted.
    pub(crate) fn planted(&self) -> Vec<String> {
        let name = |(placement, body): &(Placement, Bytes)| {
            let (work, _) = Work::decode(body).unwrap();
            match work.part {
                Some(part) if part.shard().is_some() => share_name(&work, part, placement.leg),
                None => format!("{}#{}", work.task.id, placement.leg),
                Some(part) if part.backfill().is_some() => {
                    let number = part.backfill().unwrap();
                    format!("{}.back{number}.{}", work.task.id, part.occurrence)
                }
                Some(part) if part.manual > 0 => format!("{}.run{}", work.task.id, part.manual),
                Some(part) => format!("{}.{}#{}", work.task.id, part.occurrence, placement.leg),
            }
        };
        self.wheel.iter().map(name).collect()
    }

    /// The payloads in the wheel, without quotes.
    pub(crate) fn payloads(&self, id: &TaskId) -> String {
        let own = self.wheel.iter().filter_map(|(_, body)| {
            let (work, payload) = Work::decode(body).unwrap();
            (work.task.id == *id).then(|| String::from_utf8_lossy(&payload).replace('"', ""))
        });
        own.collect::<Vec<_>>().join(" ")
    }

    /// The ids in the wheel.
    pub(crate) fn wheel_ids(&self) -> Vec<TaskId> {
        let id = |(_, body): &(Placement, Bytes)| Work::decode(body).unwrap().0.task.id;
        self.wheel.iter().map(id).collect()
    }

    /// The ids fired and not ended, and whether the call began.
    pub(crate) fn open_ids(&self) -> Vec<(TaskId, bool)> {
        let id = |(_, body, began): &(Placement, Bytes, bool)| {
            (Work::decode(body).unwrap().0.task.id, *began)
        };
        self.open.iter().map(id).collect()
    }
}

fn taken(placement: &Placement, now: Millis) -> Taken {
    Taken {
        instance: placement.instance,
        fire_id: placement.fire_id,
        leg: placement.leg,
        due: placement.due,
        at: now,
    }
}
