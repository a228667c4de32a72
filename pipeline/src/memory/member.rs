//! A worker's connection.

use std::sync::Arc;
use std::time::Duration;

use schemas::{Role, Shard};

use super::Shared;
use super::reader::wait_for_news;
use super::state::ConnId;
use crate::error::LogError;
use crate::log::{Log, LogEvent, Waker};
use crate::record::{Outgoing, Position, TopicPartition};

/// One member of a role's group. Dropping it is a crash, unless it owns nothing any more.
pub(super) struct MemoryLog {
    shared: Arc<Shared>,
    conn: ConnId,
    role: Role,
    member: String,
}

impl MemoryLog {
    pub(super) fn new(shared: Arc<Shared>, conn: ConnId, role: Role, member: &str) -> Self {
        Self {
            shared,
            conn,
            role,
            member: member.to_owned(),
        }
    }
}

impl Log for MemoryLog {
    fn poll(
        &mut self,
        wait: Duration,
        appetite: &mut dyn FnMut(TopicPartition) -> usize,
        events: &mut Vec<LogEvent>,
    ) -> Result<(), LogError> {
        let before = events.len();
        let mut state = wait_for_news(&self.shared, self.conn, wait, appetite, events, |state| {
            let dead = state
                .conns
                .get(&self.conn)
                .is_some_and(|conn| conn.dead.is_some());
            if !dead {
                state.hear(self.role, &self.member, self.conn);
            }
            dead
        });
        let heard = events.len() > before;
        let dead = state
            .conns
            .get_mut(&self.conn)
            .and_then(|conn| conn.dead.clone());
        self.shared.changed(state);
        match dead {
            // What is left to say is said first.
            Some(error) if !heard => Err(error),
            _ => Ok(()),
        }
    }

    fn read(&mut self, from: TopicPartition, offset: i64) -> Result<(), LogError> {
        self.shared.state().read(self.conn, from, offset);
        Ok(())
    }

    fn stop(&mut self, from: TopicPartition) -> Result<(), LogError> {
        self.shared.state().stop(self.conn, from);
        Ok(())
    }

    fn committed(&mut self, of: &[TopicPartition]) -> Result<Vec<Option<Position>>, LogError> {
        self.shared.state().committed(self.role, of)
    }

    fn ends(&mut self, of: &[TopicPartition]) -> Result<Vec<(i64, i64)>, LogError> {
        Ok(self.shared.state().ends(of))
    }

    fn send_outside(&mut self, record: Outgoing) -> Result<(), LogError> {
        let mut state = self.shared.state();
        if let Some(dead) = state
            .conns
            .get(&self.conn)
            .and_then(|conn| conn.dead.clone())
        {
            return Err(dead);
        }
        state.append(record, None);
        self.shared.changed(state);
        Ok(())
    }

    fn commit(
        &mut self,
        records: Vec<Outgoing>,
        positions: Vec<(TopicPartition, Position)>,
        now_mono: u64,
    ) -> Result<(), LogError> {
        let mut state = self.shared.state();
        let (role, member) = (self.role, &self.member);
        let result = state.commit(role, member, self.conn, records, positions, now_mono);
        self.shared.changed(state);
        result
    }

    fn release(&mut self, shards: &[Shard]) {
        let mut state = self.shared.state();
        state.release(self.role, &self.member, self.conn, shards);
        self.shared.changed(state);
    }

    fn waker(&self) -> Waker {
        let (shared, conn) = (Arc::clone(&self.shared), self.conn);
        Arc::new(move || {
            let mut state = shared.state();
            if let Some(conn) = state.conns.get_mut(&conn) {
                conn.woken = true;
            }
            shared.changed(state);
        })
    }

    fn session_timeout_ms(&self) -> u64 {
        self.shared.config.session_timeout_ms
    }
}

impl Drop for MemoryLog {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.disconnect(self.role, &self.member, self.conn);
        self.shared.changed(state);
    }
}
