//! Cutting turns.

use super::{Driver, Flight, HEARTBEAT_MS};
use crate::assignment::Leaving;
use crate::clock::Now;
use crate::error::LogError;
use crate::metrics;
use crate::record::{Position, TopicPartition};
use crate::stage::{Factory, Stage};

impl<F: Factory> Driver<F> {
    /// Cuts and sends a turn of the cores that want one; about once a second, of all.
    pub(super) fn commit_turn(&mut self, now: Now) -> Result<(), LogError> {
        if self.flight.is_some() {
            return Ok(());
        }
        let full = now.mono.saturating_sub(self.last_full_turn) >= HEARTBEAT_MS;
        let gathering = self.pacing.left(now.mono) > 0;
        let mut records = Vec::new();
        let mut positions: Vec<(TopicPartition, Position)> = Vec::new();
        let mut after = Vec::new();
        let mut weight = 0;
        for (shard, owned) in self.owned.iter_mut() {
            let Some(core) = &mut owned.core else {
                continue;
            };
            let (last, overdue) = match owned.leaving {
                Some(Leaving::Draining(until)) => {
                    (core.is_idle() || until <= now.mono, until <= now.mono)
                }
                Some(Leaving::LastTurn(_)) => continue,
                None => (false, false),
            };
            if !(full || last || (!gathering && core.wants_turn(now))) {
                continue;
            }
            let turn = core.take_turn(now);
            weight += turn.records.len() + turn.folded;
            records.extend(turn.records);
            let at = |(topic, position)| (TopicPartition::new(topic, shard), position);
            positions.extend(turn.positions.into_iter().map(at));
            after.extend(turn.after.into_iter().map(|effect| (shard, effect)));
            owned.in_flight = true;
            if overdue || (last && !core.wants_turn(now)) {
                owned.leaving = owned.leaving.map(|it| Leaving::LastTurn(it.until()));
            }
        }
        if full {
            // Also where no core has anything to prove yet: asked again at once, nobody would sleep.
            self.last_full_turn = now.mono;
        }
        if positions.is_empty() {
            self.release_silent();
            return Ok(());
        }
        ::metrics::histogram!(metrics::TURN_RECORDS, "role" => self.role.name())
            .record(f64::from(u32::try_from(records.len()).unwrap_or(u32::MAX)));
        self.pacing.cut(weight, now.mono);
        self.log.commit(records, positions, now.mono)?;
        self.flight = Some(Flight {
            after,
            cut_at: now.mono,
            orphaned: false,
        });
        Ok(())
    }
}
