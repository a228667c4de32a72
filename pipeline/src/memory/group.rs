//! Who owns which shards: membership, generations, sessions.
//!
//! Rebalances are eager: everyone gives up everything, then a new generation begins in which the
//! members, ordered by name, own ranges. A member that joins under a name in use takes its place
//! without a rebalance, as a static member does.

use std::collections::{BTreeMap, BTreeSet};

use schemas::{Role, Shard, Shards};

use super::MemoryConfig;
use super::state::{ConnId, State};
use crate::error::LogError;
use crate::log::LogEvent;

/// The members of one role.
#[derive(Debug, Default)]
pub(super) struct Group {
    generation: u64,
    members: BTreeMap<String, Member>,
    /// Since when everyone is asked to give up, monotonic ms.
    rebalancing: Option<u64>,
}

#[derive(Debug)]
struct Member {
    conn: ConnId,
    last_heard: u64,
    owned: BTreeSet<Shard>,
    /// Asked to give them up, and has not yet.
    releasing: BTreeSet<Shard>,
}

impl Group {
    pub(super) fn next_timeout(&self, config: &MemoryConfig) -> Option<u64> {
        let session = self
            .members
            .values()
            .map(|it| it.last_heard + config.session_timeout_ms + 1)
            .min();
        let rebalance = self
            .rebalancing
            .map(|since| since + config.rebalance_timeout_ms + 1);
        [session, rebalance].into_iter().flatten().min()
    }

    /// Whether shards are being given up.
    pub(super) fn is_moving(&self) -> bool {
        self.rebalancing.is_some()
    }

    /// Those whose session is over at `mono`, and those who did not give up in time.
    fn overdue(&self, config: &MemoryConfig, mono: u64) -> Vec<String> {
        let late = self
            .rebalancing
            .is_some_and(|since| since + config.rebalance_timeout_ms < mono);
        self.members
            .iter()
            .filter(|(_, it)| {
                it.last_heard + config.session_timeout_ms < mono
                    || (late && !it.releasing.is_empty())
            })
            .map(|(name, _)| name.clone())
            .collect()
    }
}

impl State {
    /// Takes a member in; its predecessor under the name is fenced off.
    pub(super) fn join(&mut self, role: Role, name: &str) -> Result<ConnId, LogError> {
        self.init_transactions(role, name)?;
        let conn = self.connect();
        let mono = self.now.mono;
        let group = self.groups.entry(role).or_default();
        let generation = group.generation;
        let rebalancing = group.rebalancing.is_some();
        let place = group.members.keys().position(|it| it == name);
        let count = group.members.len();
        let Some(member) = group.members.get_mut(name) else {
            self.enter(role, name, conn);
            return Ok(conn);
        };
        let before = std::mem::replace(&mut member.conn, conn);
        member.last_heard = mono;
        member.releasing.clear();
        if let Some(place) = place.filter(|_| !rebalancing) {
            // What it gave up unasked, to leave, is its share of this generation all the same.
            member.owned = range(self.config.shards, place, count).collect();
        }
        let owned: Vec<Shard> = member.owned.iter().copied().collect();
        self.fence(before, &owned);
        if rebalancing {
            self.drop_owned(role, name);
            self.finish_rebalance(role);
        } else {
            self.tell(conn, Some(generation), LogEvent::Assigned(owned));
        }
        Ok(conn)
    }

    fn drop_owned(&mut self, role: Role, name: &str) {
        if let Some(member) = self.member_mut(role, name) {
            member.owned.clear();
        }
    }

    /// Tells a connection that another took its place.
    fn fence(&mut self, conn: ConnId, owned: &[Shard]) {
        if let Some(conn) = self.conns.get_mut(&conn) {
            conn.dead = Some(LogError::Fatal(
                "another instance joined under this name".to_owned(),
            ));
        }
        let shards = owned.to_vec();
        self.tell(conn, None, LogEvent::Revoked { shards, lost: true });
    }

    /// Adds a member and starts a rebalance.
    fn enter(&mut self, role: Role, name: &str, conn: ConnId) {
        let member = Member {
            conn,
            last_heard: self.now.mono,
            owned: BTreeSet::new(),
            releasing: BTreeSet::new(),
        };
        self.groups
            .entry(role)
            .or_default()
            .members
            .insert(name.to_owned(), member);
        self.rebalance(role);
    }

    fn member_mut(&mut self, role: Role, name: &str) -> Option<&mut Member> {
        self.groups.get_mut(&role)?.members.get_mut(name)
    }

    /// The connection of a member.
    pub(super) fn member_conn(&self, role: Role, name: &str) -> Option<ConnId> {
        Some(self.groups.get(&role)?.members.get(name)?.conn)
    }

    /// Notes that a member is alive; takes it in again if it was expelled.
    pub(super) fn hear(&mut self, role: Role, name: &str, conn: ConnId) {
        let mono = self.now.mono;
        match self.member_mut(role, name) {
            Some(member) if member.conn == conn => member.last_heard = mono,
            // Its session was over, and another took its name since.
            Some(_) => self.fence(conn, &[]),
            None => self.enter(role, name, conn),
        }
    }

    /// Whether `conn` may commit as a member of this generation.
    pub(super) fn is_current(&self, role: Role, name: &str, conn: ConnId, generation: u64) -> bool {
        let group = self.groups.get(&role);
        self.member_conn(role, name) == Some(conn)
            && group.is_some_and(|group| group.generation == generation)
    }

    pub(super) fn release(&mut self, role: Role, name: &str, conn: ConnId, shards: &[Shard]) {
        // What was lost is nobody's to give up: it may be this member's again by now.
        let lost = self.conns.get_mut(&conn).map(|conn| &mut conn.lost);
        let lost = lost.map(std::mem::take).unwrap_or_default();
        let Some(member) = self.member_mut(role, name).filter(|it| it.conn == conn) else {
            return;
        };
        for shard in shards.iter().filter(|shard| !lost.contains(shard)) {
            member.owned.remove(shard);
            member.releasing.remove(shard);
        }
        if let Some(conn) = self.conns.get_mut(&conn) {
            conn.lost = lost
                .into_iter()
                .filter(|shard| !shards.contains(shard))
                .collect();
        }
        self.finish_rebalance(role);
    }

    /// A connection is gone. A member that owned nothing leaves; any other keeps its shards until its
    /// session is over, or another joins under its name.
    pub(super) fn disconnect(&mut self, role: Role, name: &str, conn: ConnId) {
        self.conns.remove(&conn);
        self.forget_steps(conn);
        let Some(group) = self.groups.get_mut(&role) else {
            return;
        };
        let leaves = |it: &Member| it.conn == conn && it.owned.is_empty();
        if group.members.get(name).is_some_and(leaves) {
            group.members.remove(name);
            self.rebalance(role);
        }
    }

    /// Expels whoever was not heard for too long.
    pub(super) fn expire(&mut self) {
        let mono = self.now.mono;
        let mut overdue = Vec::new();
        for (role, group) in &self.groups {
            let names = group.overdue(&self.config, mono);
            overdue.extend(names.into_iter().map(|name| (*role, name)));
        }
        for (role, name) in overdue {
            let Some(group) = self.groups.get_mut(&role) else {
                continue;
            };
            if let Some(member) = group.members.remove(&name) {
                if let Some(conn) = self.conns.get_mut(&member.conn) {
                    conn.lost.extend(&member.owned);
                }
                let shards: Vec<Shard> = member.owned.into_iter().collect();
                self.tell(member.conn, None, LogEvent::Revoked { shards, lost: true });
                self.rebalance(role);
            }
        }
    }

    pub(super) fn forgive(&mut self, ms: u64) {
        for group in self.groups.values_mut() {
            for member in group.members.values_mut() {
                member.last_heard += ms;
            }
            if let Some(since) = &mut group.rebalancing {
                *since += ms;
            }
        }
    }

    fn rebalance(&mut self, role: Role) {
        let mono = self.now.mono;
        let Some(group) = self.groups.get_mut(&role) else {
            return;
        };
        if group.rebalancing.is_none() {
            group.rebalancing = Some(mono);
            let mut asked = Vec::new();
            for member in group.members.values_mut() {
                member.releasing = member.owned.clone();
                if !member.owned.is_empty() {
                    asked.push((
                        member.conn,
                        member.owned.iter().copied().collect::<Vec<_>>(),
                    ));
                }
            }
            for (conn, shards) in asked {
                self.tell(
                    conn,
                    None,
                    LogEvent::Revoked {
                        shards,
                        lost: false,
                    },
                );
            }
        }
        self.finish_rebalance(role);
    }

    /// Begins a new generation once everything was given up.
    fn finish_rebalance(&mut self, role: Role) {
        let shards = self.config.shards;
        let Some(group) = self.groups.get_mut(&role) else {
            return;
        };
        if group.rebalancing.is_none() || group.members.values().any(|it| !it.releasing.is_empty())
        {
            return;
        }
        group.rebalancing = None;
        group.generation += 1;
        let generation = group.generation;
        let count = group.members.len();
        let mut assigned = Vec::new();
        for (n, member) in group.members.values_mut().enumerate() {
            member.owned = range(shards, n, count).collect();
            assigned.push((
                member.conn,
                member.owned.iter().copied().collect::<Vec<_>>(),
            ));
        }
        for (conn, shards) in assigned {
            self.tell(conn, Some(generation), LogEvent::Assigned(shards));
        }
    }
}

/// The shards of the `n`-th of `count` members.
fn range(shards: Shards, n: usize, count: usize) -> impl Iterator<Item = Shard> {
    let total = usize::from(shards.count());
    let (each, more) = (total / count, total % count);
    let first = n * each + n.min(more);
    let own = each + usize::from(n < more);
    shards.all().skip(first).take(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_every_shard_once() {
        for (total, count) in [(8, 1), (8, 3), (2, 3), (5, 5), (7, 2)] {
            let shards = Shards::new(total).unwrap();
            let owned: Vec<_> = (0..count).flat_map(|n| range(shards, n, count)).collect();
            assert_eq!(
                owned,
                shards.all().collect::<Vec<_>>(),
                "{total} over {count}"
            );
        }
    }
}
