//! The lanes in: how far each was read, and how much of each a turn may take.

use std::collections::BTreeMap;

use pipeline::Position;
use schemas::outcome::Completed;
use schemas::{Millis, Topic};

/// Positions that did not move are committed anew so often: those of topics that are only assigned
/// expire after days.
const RECOMMIT_MS: u64 = 3_600_000;

/// Calendars that a turn takes.
const CALENDARS: usize = 64;
/// While lanes behind the first bring all they may, turns are to follow each other so fast: a command of the
/// first lane waits for up to three of them, and nobody is to wait for a second.
const TURN_MS: u64 = 200;
/// What the lanes behind the first may take is cut down to one of so many parts where turns take longer.
const PARTS: usize = 16;

/// Every topic that is read in steady state.
#[derive(Clone, Debug)]
pub(crate) struct Lanes {
    lanes: BTreeMap<Topic, Lane>,
    /// Commands of all lanes a turn takes.
    commands: usize,
    /// Outcomes a turn takes.
    outcomes: usize,
    /// The first lane took all it could in the turn before: what is behind it must not wait longer.
    pressed: bool,
    /// Of what lanes behind the first may take at most, so many of [`PARTS`] are taken.
    part: usize,
    cut_at: Option<Millis>,
    recommitted_at: Option<Millis>,
}

#[derive(Clone, Copy, Debug)]
struct Lane {
    position: i64,
    committed: Option<i64>,
    taken: usize,
}

impl Lanes {
    pub(crate) fn new(commands: usize, outcomes: usize) -> Self {
        Self {
            lanes: BTreeMap::new(),
            commands,
            outcomes,
            pressed: false,
            part: PARTS,
            cut_at: None,
            recommitted_at: None,
        }
    }

    /// Reads `topic` from `position` on.
    pub(crate) fn add(&mut self, topic: Topic, position: i64) {
        let lane = Lane {
            position,
            committed: None,
            taken: 0,
        };
        self.lanes.insert(topic, lane);
    }

    /// Takes that `records` more came and everything below `position` was handed in.
    pub(crate) fn took(&mut self, topic: Topic, records: usize, position: i64) {
        if let Some(lane) = self.lanes.get_mut(&topic) {
            lane.position = lane.position.max(position);
            lane.taken += records;
        }
    }

    /// How many more records of `topic` this turn takes. Every command lane but the first has an
    /// eighth for itself (less where there are many); while the first is not pressed they may share
    /// a quarter of the turn. More would serve bulk hardly faster, but a command of the first lane waits
    /// for up to three turns, of all shards of a worker together. Where those take long all the same, these
    /// lanes get less.
    pub(crate) fn appetite(&self, topic: Topic) -> usize {
        let Some(lane) = self.lanes.get(&topic) else {
            return 0;
        };
        let others = self.others().count();
        let share = self.commands / (2 * others).max(8);
        match topic {
            // Each may hold many.
            Topic::Outcomes => {
                let left = self.outcomes.saturating_sub(lane.taken);
                left.div_ceil(Completed::MOST)
            }
            Topic::Calendars => CALENDARS.saturating_sub(lane.taken),
            Topic::Registrations => {
                let most = self.commands.saturating_sub(share * others);
                most.saturating_sub(lane.taken)
            }
            _ => {
                let of = |most: usize| (most * self.part).div_ceil(PARTS);
                let own = of(share).saturating_sub(lane.taken);
                let taken: usize = self.others().map(|lane| lane.taken).sum();
                let spare = if self.pressed { 0 } else { self.commands / 4 };
                own.max(of(spare).saturating_sub(taken))
            }
        }
    }

    /// Sees to it that turns full of what is behind the first lane do not take long.
    fn keep_turns_short(&mut self, now: Millis) {
        let passed = self.cut_at.map_or(0, |at| now.since(at));
        self.cut_at = Some(now);
        let flooded = self.full().any(|(topic, _)| is_behind_the_first(*topic));
        if flooded && passed > TURN_MS {
            self.part = (self.part / 2).max(1);
        } else if flooded && passed < TURN_MS / 2 {
            self.part = (self.part + 1).min(PARTS);
        }
    }

    fn others(&self) -> impl Iterator<Item = &Lane> {
        self.lanes
            .iter()
            .filter(|(topic, _)| is_behind_the_first(**topic))
            .map(|(_, lane)| lane)
    }

    /// Whether a lane can take no more, so that a turn must be cut even if it writes nothing.
    pub(crate) fn is_full(&self) -> bool {
        self.full().next().is_some()
    }

    fn full(&self) -> impl Iterator<Item = (&Topic, &Lane)> {
        self.lanes
            .iter()
            .filter(|(topic, lane)| lane.taken > 0 && self.appetite(**topic) == 0)
    }

    /// The positions of a turn: that of the first lane always, others where they moved; now and
    /// then all. That of outcomes is `outcomes`, where some were passed over. The next turn begins.
    pub(crate) fn cut(
        &mut self,
        note: String,
        outcomes: i64,
        now: Millis,
    ) -> Vec<(Topic, Position)> {
        self.keep_turns_short(now);
        self.pressed = self.appetite(Topic::Registrations) == 0;
        let all = self
            .recommitted_at
            .is_none_or(|at| now.since(at) >= RECOMMIT_MS);
        if all {
            self.recommitted_at = Some(now);
        }
        let mut positions = Vec::new();
        for (topic, lane) in &mut self.lanes {
            lane.taken = 0;
            let first = *topic == Topic::Registrations;
            let offset = match topic {
                Topic::Outcomes => outcomes,
                _ => lane.position,
            };
            if !first && !all && lane.committed == Some(offset) {
                continue;
            }
            lane.committed = Some(offset);
            let position = Position {
                offset,
                note: if first { note.clone() } else { String::new() },
            };
            positions.push((*topic, position));
        }
        positions
    }
}

/// Whether it brings commands, and is not the first that does.
fn is_behind_the_first(topic: Topic) -> bool {
    !matches!(
        topic,
        Topic::Outcomes | Topic::Registrations | Topic::Calendars
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes() -> Lanes {
        let mut lanes = Lanes::new(80, 100);
        for topic in [
            Topic::Registrations,
            Topic::RegistrationsBulk,
            Topic::Forwards,
            Topic::Outcomes,
        ] {
            lanes.add(topic, 0);
        }
        lanes
    }

    #[test]
    fn a_pressed_first_lane_leaves_an_eighth_to_each_of_the_others() {
        let mut lanes = lanes();
        assert_eq!(lanes.appetite(Topic::Registrations), 60);
        assert_eq!(lanes.appetite(Topic::RegistrationsBulk), 20);
        lanes.took(Topic::Registrations, 60, 60);
        assert!(lanes.is_full());
        assert_eq!(lanes.cut(String::new(), 0, Millis(0)).len(), 4);
        assert_eq!(lanes.appetite(Topic::RegistrationsBulk), 10);
        lanes.took(Topic::RegistrationsBulk, 10, 10);
        assert_eq!(lanes.appetite(Topic::RegistrationsBulk), 0);
        assert_eq!(lanes.appetite(Topic::Forwards), 10);
        assert_eq!(lanes.appetite(Topic::Registrations), 60);
    }

    #[test]
    fn a_flood_of_bulk_leaves_the_first_lane_its_room() {
        let mut lanes = lanes();
        lanes.took(Topic::RegistrationsBulk, 20, 20);
        assert_eq!(lanes.appetite(Topic::RegistrationsBulk), 0);
        assert_eq!(lanes.appetite(Topic::Forwards), 10);
        assert_eq!(lanes.appetite(Topic::Registrations), 60);
        assert_eq!(lanes.appetite(Topic::Index), 0);
    }

    /// What bulk may take in a turn, after 20 that it filled and that took so long each.
    fn bulk_after_turns_of(ms: u64, lanes: &mut Lanes) -> usize {
        let mut now = lanes.cut_at.unwrap_or(Millis(0));
        for _ in 0..20 {
            let most = lanes.appetite(Topic::RegistrationsBulk);
            lanes.took(Topic::RegistrationsBulk, most, 0);
            now = now.plus(ms);
            lanes.cut(String::new(), 0, now);
        }
        lanes.appetite(Topic::RegistrationsBulk)
    }

    #[test]
    fn bulk_takes_less_while_its_turns_take_long() {
        let mut lanes = lanes();
        assert_eq!(bulk_after_turns_of(TURN_MS + 1, &mut lanes), 2);
        assert_eq!(lanes.appetite(Topic::Registrations), 60);
        assert_eq!(bulk_after_turns_of(TURN_MS, &mut lanes), 2);
        assert_eq!(bulk_after_turns_of(TURN_MS / 2 - 1, &mut lanes), 20);
    }

    #[test]
    fn only_positions_that_moved_are_committed_and_now_and_then_all() {
        let mut lanes = lanes();
        lanes.cut(String::new(), 0, Millis(0));
        lanes.took(Topic::Outcomes, 1, 7);
        let moved = lanes.cut("note".to_owned(), 7, Millis(1));
        let moved: Vec<_> = moved.iter().map(|(t, p)| (*t, p.offset)).collect();
        assert_eq!(moved, [(Topic::Registrations, 0), (Topic::Outcomes, 7)]);
        assert_eq!(lanes.cut(String::new(), 7, Millis(3_600_000)).len(), 4);
    }
}
