//! One lane partition: its open fires, and every way in which one ends.

mod calls;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use pipeline::invariant::{Invariant, check};
use pipeline::{Now, Position, Record, TopicPartition};
use schemas::fire::Recall;
use schemas::outcome::{Again, Answer, Decision, End};
use schemas::{Fire, FireId, LaneRecord, Millis, OutcomeRecord, Topic, Work};

use super::attempt::Attempt;
use super::frontier::Frontier;
use super::hold::{self, Hold};
use super::outbox::{Cut, Outbox};
use super::outcome::{self, Place};
use super::past::{Answered, PastCall};
use super::recall::{self, Found, Step};
use crate::config::Config;
use crate::metrics;

/// One leg of one firing.
pub(crate) type Name = (FireId, u32);

/// The state of one lane partition.
#[derive(Debug)]
pub(crate) struct Lane {
    place: Place,
    frontier: Frontier,
    /// Open fires by offset; boxed, for a tree moves what it holds.
    attempts: BTreeMap<i64, Box<Attempt>>,
    /// Of those, the ones whose call has not begun, by due time.
    hold: Hold,
    /// Of those, the ones with a recall that waits for its decision.
    asked: BTreeSet<i64>,
    /// Where each fire stands that no turn has ended yet.
    names: BTreeMap<Name, i64>,
    /// Of those taken last, what is to be called later.
    coming: Vec<Arc<Work>>,
    outbox: Outbox,
    /// Calls of cores before this one, of fires not read back yet.
    past: BTreeMap<i64, PastCall>,
    /// Of those read back, what came of the call.
    known: Vec<(i64, Answered)>,
    /// What came of calls, until a turn that tells it is cut,
    untold: BTreeMap<i64, PastCall>,
    /// and then until that is committed.
    telling: BTreeMap<i64, PastCall>,
    calls: usize,
    bytes: usize,
}

impl Lane {
    pub(crate) fn new(
        of: TopicPartition,
        committed: Option<&Position>,
        start: i64,
        mut past: BTreeMap<i64, PastCall>,
    ) -> Self {
        let frontier = Frontier::new(committed, start);
        past.retain(|offset, _| frontier.will_take(*offset));
        Self {
            place: Place(of),
            frontier,
            attempts: BTreeMap::new(),
            hold: Hold::default(),
            asked: BTreeSet::new(),
            names: BTreeMap::new(),
            coming: Vec::new(),
            outbox: Outbox::default(),
            past,
            known: Vec::new(),
            untold: BTreeMap::new(),
            telling: BTreeMap::new(),
            calls: 0,
            bytes: 0,
        }
    }

    pub(crate) fn topic(&self) -> Topic {
        self.place.0.topic
    }

    pub(crate) fn read_from(&self) -> i64 {
        self.frontier.read_from()
    }

    /// Calls in flight.
    pub(crate) fn calls(&self) -> usize {
        self.calls
    }

    /// Whether there are calls of cores before this one whose fires were not read back yet.
    pub(crate) fn remembers(&self) -> bool {
        !self.past.is_empty()
    }

    /// How many more records it would take.
    pub(crate) fn appetite(&self, config: &Config) -> usize {
        if self.bytes >= config.max_open_bytes {
            return 0;
        }
        let open = self.attempts.len() + self.asked.len() + self.outbox.len();
        config.max_open.saturating_sub(open)
    }

    /// Whether a turn would write something.
    pub(crate) fn wants_turn(&self) -> bool {
        self.outbox.is_fresh()
    }

    /// When the first held fire is due.
    pub(crate) fn next_due(&self) -> Option<Millis> {
        self.hold.first_due()
    }

    /// Whether a recall waits until no predecessor can begin a call.
    pub(crate) fn is_asked(&self) -> bool {
        !self.asked.is_empty()
    }

    pub(crate) fn handle_batch(
        &mut self,
        records: Vec<Record>,
        position: i64,
        may_cancel: bool,
        now: Now,
    ) {
        for record in records {
            if self.frontier.take(record.offset) {
                self.handle_record(record, may_cancel, now.wall);
            }
        }
        let gone = self.frontier.pass(position);
        if gone > 0 {
            tracing::error!(
                lane = %self.place.0,
                gone,
                position,
                "unanswered fires are no longer in the log; they were deleted from outside"
            );
        }
    }

    fn handle_record(&mut self, record: Record, may_cancel: bool, now: Millis) {
        let offset = record.offset;
        let value = record.value.unwrap_or_default();
        match LaneRecord::decode(&value) {
            Ok(LaneRecord::Fire(fire, body)) => {
                let fire_id = fire.fire_id;
                match Attempt::open(fire, body, now) {
                    Ok(attempt) => self.take_fire(offset, Box::new(attempt), now),
                    Err(error) => self.refuse(offset, &error, Some(fire_id), value, now),
                }
            }
            Ok(LaneRecord::Recall(recall)) => self.take_recall(offset, recall, may_cancel, now),
            Err(error) => self.refuse(offset, &error, None, value, now),
        }
    }

    fn take_fire(&mut self, offset: i64, mut attempt: Box<Attempt>, now: Millis) {
        let name = name(&attempt.fire);
        let twin = self.names.get(&name).copied();
        check(Invariant::T3, twin.is_none(), || {
            format!(
                "{name:?} stands at {offset} and at {twin:?} in {}",
                self.place.0
            )
        });
        if twin.is_some() {
            // The first one's outcome is that of both.
            self.outbox.put(offset, Vec::new(), None, Vec::new());
            return;
        }
        let before = self.past.remove(&offset);
        if let Some(call) = before.filter(|call| call.name == name) {
            attempt.resume(call.core);
            self.calls += 1;
            self.known
                .extend(call.answer.map(|answer| (offset, answer)));
        } else {
            self.hold.put(attempt.fire.due, offset);
            if attempt.fire.due > now {
                self.coming.push(Arc::clone(&attempt.work));
            }
        }
        self.bytes += attempt.size();
        self.names.insert(name, offset);
        self.attempts.insert(offset, attempt);
    }

    fn take_recall(&mut self, offset: i64, recall: Recall, may_cancel: bool, now: Millis) {
        let fire = self.names.get(&(recall.fire_id, recall.leg)).copied();
        let open = fire.and_then(|fire| self.attempts.get_mut(&fire));
        let found = match (fire, &open) {
            (None, _) => Found::Nothing,
            (Some(_), None) => Found::Ended,
            (Some(_), Some(attempt)) if attempt.is_called() => Found::Called,
            (Some(_), Some(_)) => Found::Held,
        };
        match (recall::decide(found, may_cancel), fire, open) {
            (Step::Wait, Some(fire), Some(attempt)) => {
                attempt.recalls.push((offset, recall));
                self.asked.insert(fire);
            }
            (Step::Decide(Decision::Cancelled), Some(fire), Some(attempt)) => {
                attempt.recalls.push((offset, recall));
                self.cancel(fire, now);
            }
            (Step::Decide(decision), _, open) => {
                if let Some(attempt) = open {
                    attempt.tell();
                }
                self.answer_recall(offset, &recall, decision, fire, now);
            }
            (Step::Join(decision), Some(fire), _) => {
                let record = self.place.recalled(&recall, decision, None, now);
                if let Err(record) = self.outbox.join(fire, offset, record) {
                    self.outbox.put(offset, Vec::new(), None, vec![record]);
                }
            }
            (Step::Wait | Step::Join(_), ..) => {
                self.answer_recall(offset, &recall, Decision::Gone, None, now);
            }
        }
    }

    /// Answers a recall, which met the open fire at `fire` if there is one.
    fn answer_recall(
        &mut self,
        offset: i64,
        recall: &Recall,
        decision: Decision,
        fire: Option<i64>,
        now: Millis,
    ) {
        let attempt = fire.and_then(|fire| self.attempts.get(&fire));
        let attempt = attempt.map(Box::as_ref);
        let record = self.place.recalled(recall, decision, attempt, now);
        self.outbox.put(offset, Vec::new(), None, vec![record]);
    }

    fn refuse(
        &mut self,
        offset: i64,
        error: &schemas::DecodeError,
        fire_id: Option<FireId>,
        original: Bytes,
        now: Millis,
    ) {
        tracing::warn!(lane = %self.place.0, offset, %error, "lane record is not understood");
        ::metrics::counter!(metrics::BAD_RECORDS).increment(1);
        let reason = error.to_string();
        let letter = self
            .place
            .dead_letter(offset, reason, None, fire_id, now, original);
        self.outbox.put(offset, Vec::new(), None, vec![letter]);
    }

    /// Decides the recalls that waited: what is still held is cancelled.
    pub(crate) fn settle(&mut self, now: Millis) {
        for fire in std::mem::take(&mut self.asked) {
            self.cancel(fire, now);
        }
    }

    /// Ends a held fire by its first recall; further ones find it gone.
    fn cancel(&mut self, offset: i64, now: Millis) {
        let Some(attempt) = self.remove(offset) else {
            return;
        };
        check(Invariant::T4, !attempt.is_called(), || {
            format!("{} was called and would be cancelled", attempt.fire.fire_id)
        });
        let mut records = Vec::with_capacity(1);
        let mut also = Vec::with_capacity(1);
        let mut decision = Decision::Cancelled;
        for (at, recall) in &attempt.recalls {
            let record = self.place.recalled(recall, decision, Some(&attempt), now);
            records.push(record);
            also.push(*at);
            decision = Decision::Gone;
        }
        self.outbox
            .put(offset, also, Some(name(&attempt.fire)), records);
    }

    /// Hands back what would be held longer than `longest` ms.
    pub(crate) fn hand_back(&mut self, longest: u64, now: Millis) {
        let limit = now.plus(longest);
        while let Some(offset) = self.hold.last_behind(limit) {
            let Some(attempt) = self.attempts.get(&offset) else {
                return;
            };
            let end = End::Again {
                at: attempt.fire.due,
                attempt: attempt.work.attempt,
                why: Again::Hold,
            };
            self.end(offset, end, None, None, now);
        }
    }

    /// The first fire to be called now; those on the way to it whose time has passed end as expired.
    pub(crate) fn first_due(&mut self, now: Millis) -> Option<i64> {
        loop {
            let offset = self.hold.first_by(now)?;
            let attempt = self.attempts.get(&offset)?;
            if !hold::is_expired(&attempt.fire, now) || attempt.is_told() {
                return Some(offset);
            }
            self.end(offset, End::Expired, None, None, now);
        }
    }

    /// Begins the call of a held fire; recalls that waited came too late.
    pub(crate) fn begin(
        &mut self,
        offset: i64,
        core: u32,
        now: Millis,
    ) -> Option<(Fire, Arc<Work>, Bytes)> {
        let attempt = self.attempts.get_mut(&offset)?;
        attempt.begin(core, now);
        let recalls = std::mem::take(&mut attempt.recalls);
        if !recalls.is_empty() {
            attempt.tell();
        }
        let order = (
            attempt.fire.clone(),
            Arc::clone(&attempt.work),
            attempt.payload.clone(),
        );
        self.calls += 1;
        self.hold.remove(order.0.due, offset);
        self.asked.remove(&offset);
        for (at, recall) in recalls {
            self.answer_recall(at, &recall, Decision::TooLate, Some(offset), now);
        }
        Some(order)
    }

    /// Takes what a turn can carry.
    pub(crate) fn cut(&mut self) -> Cut {
        let mut cut = self.outbox.cut(&mut self.frontier);
        self.place.fold(&mut cut);
        for name in &cut.names {
            let offset = self.names.remove(name);
            let told = offset.and_then(|offset| self.untold.remove_entry(&offset));
            self.telling.extend(told);
        }
        cut
    }

    /// Ends a fire by its own outcome; recalls that waited find it gone.
    fn end(
        &mut self,
        offset: i64,
        end: End,
        answer: Option<Answer>,
        began_at: Option<Millis>,
        now: Millis,
    ) {
        let Some(attempt) = self.remove(offset) else {
            return;
        };
        let (ended, letter) = self.place.end(offset, &attempt, end, answer, began_at, now);
        let name = Some(name(&attempt.fire));
        if attempt.is_unasked() && outcome::is_last_word(&ended) {
            return self.outbox.complete(offset, name, ended);
        }
        outcome::count(&ended.end, 1);
        let mut records = vec![self.place.outcome(&OutcomeRecord::Ended(ended))];
        records.extend(letter);
        let mut also = Vec::new();
        for (at, recall) in &attempt.recalls {
            let gone = Decision::Gone;
            let record = self.place.recalled(recall, gone, Some(&attempt), now);
            records.push(record);
            also.push(*at);
        }
        self.outbox.put(offset, also, name, records);
    }

    /// Takes a fire out of all but `names`: a recall may come until its outcome is in a turn.
    fn remove(&mut self, offset: i64) -> Option<Box<Attempt>> {
        let attempt = self.attempts.remove(&offset)?;
        self.hold.remove(attempt.fire.due, offset);
        self.asked.remove(&offset);
        self.bytes -= attempt.size();
        Some(attempt)
    }
}

fn name(fire: &Fire) -> Name {
    (fire.fire_id, fire.leg)
}
