//! How a commit goes: begin and write, positions, the end, markers, and what the member hears.

use std::collections::BTreeSet;

use schemas::Role;

use super::fate::{Fate, Told};
use super::partition::TxnId;
use super::state::{ConnId, State};
use crate::error::LogError;
use crate::log::LogEvent;
use crate::record::{Outgoing, Position, TopicPartition};

/// One transaction.
#[derive(Debug)]
pub(super) struct Txn {
    role: Role,
    member: String,
    conn: ConnId,
    generation: u64,
    positions: Vec<(TopicPartition, Position)>,
    fate: Fate,
    phase: Phase,
    /// As given to the commit.
    proven_at: u64,
    /// Where its marker is still to come.
    unmarked: BTreeSet<TopicPartition>,
    /// The step that times it out.
    timeout: Option<(u64, u64)>,
}

impl Txn {
    /// Whether it only carries positions, or is marked wherever it wrote.
    pub(super) fn is_without_records(&self) -> bool {
        self.unmarked.is_empty()
    }
}

#[derive(Debug)]
enum Phase {
    /// Behind another of the same id whose markers are not all written.
    Queued(Vec<Outgoing>),
    /// Its records are written.
    Begun,
    /// Its positions are taken.
    Positioned,
    /// What became of it; its positions are applied once that is marked.
    Decided { committed: bool, applied: bool },
}

/// Something that happens by itself.
#[derive(Debug)]
pub(super) enum Step {
    Positions(TxnId),
    End(TxnId),
    Apply(TxnId),
    Mark(TxnId, TopicPartition),
    Timeout(TxnId),
    Tell(ConnId, LogEvent),
}

impl Step {
    fn txn(&self) -> Option<TxnId> {
        match self {
            Self::Positions(id) | Self::End(id) => Some(*id),
            _ => None,
        }
    }
}

impl State {
    /// Decides what a predecessor left open; waits for the markers of what it decided itself.
    pub(super) fn init_transactions(&mut self, role: Role, member: &str) -> Result<(), LogError> {
        let key = (role, member.to_owned());
        let mut marked = true;
        for id in self.producers.get(&key).cloned().unwrap_or_default() {
            match self.txns.get(&id).map(|txn| &txn.phase) {
                Some(Phase::Queued(_) | Phase::Begun | Phase::Positioned) => self.abort_now(id),
                Some(Phase::Decided { .. }) => marked = false,
                None => {}
            }
        }
        if marked {
            return Ok(());
        }
        let text = format!("the last transaction of `{member}` is not yet marked everywhere");
        Err(LogError::Retry(text))
    }

    /// Begins, writes, and sets out to commit.
    pub(super) fn commit(
        &mut self,
        role: Role,
        member: &str,
        conn: ConnId,
        records: Vec<Outgoing>,
        positions: Vec<(TopicPartition, Position)>,
        proven_at: u64,
    ) -> Result<(), LogError> {
        if let Some(dead) = self.conns.get(&conn).and_then(|conn| conn.dead.clone()) {
            return Err(dead);
        }
        if let Some((of, _)) = positions.iter().find(|(_, it)| !fits(&it.note)) {
            return Err(LogError::Aborted(format!(
                "the note for {of} is too long or not ASCII"
            )));
        }
        let touched: BTreeSet<TopicPartition> = records.iter().map(|record| record.to).collect();
        let fate = match &mut self.fates {
            Some(fates) => fates(role, member, &touched.iter().copied().collect::<Vec<_>>()),
            None => Fate::default(),
        };
        let id = self.number();
        let generation = self.conns.get(&conn).map_or(0, |conn| conn.generation);
        if let Told::Doubt(after) = fate.told {
            let doubt = LogError::Fatal("no answer to the end of the transaction".to_owned());
            self.schedule(after, Step::Tell(conn, LogEvent::Failed(doubt)));
        }
        let txn = Txn {
            role,
            member: member.to_owned(),
            conn,
            generation,
            positions,
            fate,
            phase: Phase::Queued(records),
            proven_at,
            unmarked: touched,
            timeout: None,
        };
        self.txns.insert(id, txn);
        let producer = self.producers.entry((role, member.to_owned())).or_default();
        producer.push(id);
        if producer.len() == 1 {
            self.begin(id);
        }
        self.run_due();
        Ok(())
    }

    /// Runs what is due at this very moment, so that without delays a commit is over when it returns.
    fn run_due(&mut self) {
        while let Some(entry) = self
            .steps
            .first_entry()
            .filter(|it| it.key().0 <= self.now.mono)
        {
            let step = entry.remove();
            self.run(step);
        }
    }

    fn begin(&mut self, id: TxnId) {
        let timeout = self.config.transaction_timeout_ms;
        let Some(txn) = self.txns.get_mut(&id) else {
            return;
        };
        let Phase::Queued(records) = &mut txn.phase else {
            return;
        };
        let records = std::mem::take(records);
        txn.phase = Phase::Begun;
        let after = txn.fate.positions_after_ms;
        for record in records {
            self.append(record, Some(id));
        }
        self.schedule(after, Step::Positions(id));
        let timeout = self.schedule(timeout, Step::Timeout(id));
        if let Some(txn) = self.txns.get_mut(&id) {
            txn.timeout = Some(timeout);
        }
    }

    pub(super) fn run(&mut self, step: Step) {
        match step {
            Step::Positions(id) => self.take_positions(id),
            Step::End(id) => {
                if let Some(txn) = self.txns.get(&id)
                    && matches!(txn.phase, Phase::Positioned)
                {
                    let committed = !txn.fate.abort;
                    let error = LogError::Aborted("the broker aborted it".to_owned());
                    self.decide(id, committed, error);
                }
            }
            Step::Apply(id) => self.apply(id),
            Step::Mark(id, of) => self.mark(id, of),
            Step::Timeout(id) => self.time_out(id),
            Step::Tell(conn, event) => {
                if let LogEvent::Failed(error @ LogError::Fatal(_)) = &event
                    && let Some(conn) = self.conns.get_mut(&conn)
                {
                    conn.dead = Some(error.clone());
                }
                self.tell(conn, None, event);
            }
        }
    }

    /// The positions reach the broker: here a worker that lost its shards is found out.
    fn take_positions(&mut self, id: TxnId) {
        let Some(txn) = self
            .txns
            .get(&id)
            .filter(|it| matches!(it.phase, Phase::Begun))
        else {
            return;
        };
        if !self.is_current(txn.role, &txn.member, txn.conn, txn.generation) {
            let text = format!(
                "`{}` is not a member of generation {}",
                txn.member, txn.generation
            );
            self.decide(id, false, LogError::Aborted(text));
            return;
        }
        let Some(txn) = self.txns.get_mut(&id) else {
            return;
        };
        txn.phase = Phase::Positioned;
        for (of, _) in &txn.positions {
            self.pending.entry((txn.role, *of)).or_default().insert(id);
        }
        let after = txn.fate.end_after_ms;
        self.schedule(after, Step::End(id));
    }

    /// Decides; markers follow, and the member is told.
    fn decide(&mut self, id: TxnId, committed: bool, error: LogError) {
        let Some(txn) = self.txns.get_mut(&id) else {
            return;
        };
        txn.phase = Phase::Decided {
            committed,
            applied: false,
        };
        let (fate, conn) = (txn.fate.clone(), txn.conn);
        let proven_at = txn.proven_at;
        let unmarked: Vec<TopicPartition> = txn.unmarked.iter().copied().collect();
        self.schedule(fate.marker_after(0), Step::Apply(id));
        for (n, of) in unmarked.into_iter().enumerate() {
            self.schedule(fate.marker_after(n + 1), Step::Mark(id, of));
        }
        if let Told::After(ms) = fate.told {
            let event = if committed {
                LogEvent::Committed { proven_at }
            } else {
                LogEvent::Failed(error)
            };
            self.schedule(ms, Step::Tell(conn, event));
        }
    }

    fn apply(&mut self, id: TxnId) {
        let Some(txn) = self.txns.get_mut(&id) else {
            return;
        };
        let Phase::Decided { committed, applied } = &mut txn.phase else {
            return;
        };
        *applied = true;
        for (of, position) in std::mem::take(&mut txn.positions) {
            let key = (txn.role, of);
            if let Some(ids) = self.pending.get_mut(&key) {
                ids.remove(&id);
                if ids.is_empty() {
                    self.pending.remove(&key);
                }
            }
            if *committed {
                self.positions.insert(key, position);
            }
        }
        self.finish(id);
    }

    fn mark(&mut self, id: TxnId, of: TopicPartition) {
        let Some(txn) = self.txns.get_mut(&id) else {
            return;
        };
        let Phase::Decided { committed, .. } = txn.phase else {
            return;
        };
        if txn.unmarked.remove(&of) {
            self.partition(of).mark(id, committed);
            self.seen_further(of);
        }
        self.finish(id);
    }

    /// Forgets a transaction whose last marker is written; the next of its id may begin.
    fn finish(&mut self, id: TxnId) {
        let over = self.txns.get(&id).is_some_and(|txn| {
            txn.unmarked.is_empty() && matches!(txn.phase, Phase::Decided { applied: true, .. })
        });
        if !over {
            return;
        }
        let Some(txn) = self.txns.remove(&id) else {
            return;
        };
        if let Some(timeout) = txn.timeout {
            self.steps.remove(&timeout);
        }
        let producer = self.producers.entry((txn.role, txn.member)).or_default();
        producer.retain(|other| *other != id);
        if let Some(next) = producer.first().copied() {
            self.begin(next);
        }
    }

    fn time_out(&mut self, id: TxnId) {
        let open = |txn: &&Txn| matches!(txn.phase, Phase::Begun | Phase::Positioned);
        let Some(conn) = self.txns.get(&id).filter(open).map(|txn| txn.conn) else {
            return;
        };
        self.abort_now(id);
        if let Some(conn) = self.conns.get_mut(&conn) {
            conn.dead = Some(LogError::Fatal("the transaction timed out".to_owned()));
        }
    }

    /// Aborts and marks at once; its member is told that it was fenced off.
    fn abort_now(&mut self, id: TxnId) {
        let Some(txn) = self.txns.get_mut(&id) else {
            return;
        };
        if let Phase::Queued(_) = txn.phase {
            txn.unmarked.clear();
        }
        txn.phase = Phase::Decided {
            committed: false,
            applied: false,
        };
        let (conn, unmarked) = (txn.conn, txn.unmarked.clone());
        let fenced = LogError::Fatal("its producer was fenced off".to_owned());
        self.tell(conn, None, LogEvent::Failed(fenced));
        for of in unmarked {
            self.mark(id, of);
        }
        self.apply(id);
    }

    /// A connection is gone: what it had not yet sent will not come, unless it was on its way.
    pub(super) fn forget_steps(&mut self, conn: ConnId) {
        let txns = &self.txns;
        self.steps.retain(|_, step| {
            let of = step.txn().and_then(|id| txns.get(&id));
            of.is_none_or(|txn| txn.conn != conn || txn.fate.survives)
        });
    }
}

fn fits(note: &str) -> bool {
    note.len() <= Position::NOTE_MAX && note.is_ascii()
}
