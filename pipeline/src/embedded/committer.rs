//! The one thread that writes: everything that waits becomes one frame.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use schemas::{Millis, Role};

use super::frame::{self, BLOCK_BYTES, BlockHead, Extent, FrameWriter};
use super::request::{Request, Waiting, fenced};
use super::segment::{self, Active};
use super::state::SegmentState;
use super::{Fsync, Inner};
use crate::clock::{Clock, SystemClock};
use crate::error::LogError;
use crate::record::{Outgoing, Position, Record, TopicPartition};

/// Records of one partition in the group that is put together.
struct Batch {
    before: Extent,
    records: Vec<Record>,
}

/// What one frame will hold.
#[derive(Default)]
struct Group {
    batches: BTreeMap<TopicPartition, Batch>,
    replaced: Vec<(BlockHead, Vec<u8>)>,
    positions: BTreeMap<(Role, TopicPartition), Position>,
    starts: Vec<(TopicPartition, i64)>,
    waiting: Vec<Waiting>,
}

/// Writes until the queue is closed and empty.
pub(super) fn run(inner: &Inner, active: Active) {
    let mut committer = Committer {
        inner,
        active,
        frame: FrameWriter::new(),
        body: Vec::new(),
    };
    loop {
        let mut queue = inner.queue();
        while queue.is_quiet() {
            queue = inner
                .queued
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let requests = queue.take_group();
        drop(queue);
        if requests.is_empty() {
            break;
        }
        committer.commit(requests);
    }
    if inner.config.fsync != Fsync::Never
        && let Err(error) = committer.active.file.sync_data()
    {
        tracing::error!(%error, "the last segment was not synced at the end");
    }
}

struct Committer<'a> {
    inner: &'a Inner,
    active: Active,
    frame: FrameWriter,
    body: Vec<u8>,
}

impl Committer<'_> {
    fn commit(&mut self, requests: Vec<Request>) {
        let mut group = self.gather(requests);
        let result = self.write(&mut group);
        if let Err(error) = &result {
            tracing::error!(%error, "the embedded log cannot write");
        }
        for waiting in group.waiting {
            waiting.tell(self.inner, result.as_ref().copied());
        }
    }

    /// Sorts what waits into a group; refuses what may not be written.
    fn gather(&self, requests: Vec<Request>) -> Group {
        let now = SystemClock.now().wall;
        let mut group = Group::default();
        for request in requests {
            if let Some(error) = self.refusal(&request) {
                request.refuse(self.inner, &error);
                continue;
            }
            match request {
                Request::Commit {
                    by,
                    records,
                    positions,
                } => {
                    for record in records {
                        self.add(&mut group, record, now);
                    }
                    let positions = positions.into_iter().map(|(of, it)| ((by.role, of), it));
                    group.positions.extend(positions);
                    group.waiting.push(Waiting::Commit(by));
                }
                Request::Outside { record, fate } => {
                    self.add(&mut group, record, now);
                    group.waiting.push(Waiting::Outside(fate));
                }
                Request::Send { record, written } => {
                    let offset = self.add(&mut group, record, now);
                    group.waiting.push(Waiting::Send(written, offset));
                }
                Request::Starts { starts, done } => {
                    group.starts.extend(starts);
                    group.waiting.push(Waiting::Done(done));
                }
                Request::Replace { blocks, done } => {
                    group.replaced.extend(blocks);
                    group.waiting.push(Waiting::Done(done));
                }
            }
        }
        group
    }

    fn refusal(&self, request: &Request) -> Option<LogError> {
        let state = self.inner.state();
        if let Some(broken) = &state.broken {
            return Some(broken.clone());
        }
        let Request::Commit { by, .. } = request else {
            return None;
        };
        let owner = state.owners.get(&by.role).map(|owner| owner.epoch);
        if owner != Some(by.epoch) {
            return Some(fenced(by.role));
        }
        let outside = by
            .outside
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        outside.map(|error| LogError::Aborted(format!("a record sent outside failed: {error}")))
    }

    /// Gives the record its offset and time, in memory of its own.
    fn add(&self, group: &mut Group, record: Outgoing, now: Millis) -> i64 {
        let batch = group.batches.entry(record.to).or_insert_with(|| Batch {
            before: self.inner.state().extent(record.to),
            records: Vec::new(),
        });
        let offset = batch.before.end + i64::try_from(batch.records.len()).unwrap_or(i64::MAX);
        let own = |bytes: Option<Bytes>| bytes.map(|bytes| Bytes::copy_from_slice(&bytes));
        batch.records.push(Record {
            offset,
            appended: now.max(batch.before.last_time),
            key: own(record.key),
            value: own(record.value),
            headers: record.headers,
        });
        offset
    }

    /// Makes the group durable, then visible.
    fn write(&mut self, group: &mut Group) -> Result<(), LogError> {
        self.rotate_if_full()?;
        self.frame.clear();
        let mut placed = Vec::new();
        for (of, batch) in &group.batches {
            self.encode(*of, &batch.records, &mut placed);
        }
        for (head, body) in &group.replaced {
            placed.push((*head, self.frame.block(head, body)));
        }
        for ((role, of), position) in &group.positions {
            self.frame.position(*role, *of, position);
        }
        for (of, start) in &mut group.starts {
            // What is not there yet cannot be deleted.
            let end = self.inner.state().extent(*of).end;
            *start = (*start).min(end);
            self.frame.start(*of, *start);
        }
        if self.frame.is_empty() {
            return Ok(());
        }
        let frame = self.frame.finish(self.active.sequence);
        let at = self.active.append(frame, &self.inner.segments)?;
        if self.inner.config.fsync == Fsync::Always {
            self.sync_active()?;
        }
        self.publish(group, &placed, at);
        Ok(())
    }

    /// Writes one partition's records as blocks.
    fn encode(
        &mut self,
        of: TopicPartition,
        records: &[Record],
        placed: &mut Vec<(BlockHead, usize)>,
    ) {
        let mut first = records.first().map_or(0, |record| record.offset);
        self.body.clear();
        for (at, record) in records.iter().enumerate() {
            frame::put_record(&mut self.body, first, record);
            if self.body.len() < BLOCK_BYTES && at + 1 < records.len() {
                continue;
            }
            let head = BlockHead {
                of,
                first,
                end: record.offset + 1,
                last_time: record.appended,
                len: u32::try_from(self.body.len()).unwrap_or(u32::MAX),
            };
            placed.push((head, self.frame.block(&head, &self.body)));
            self.body.clear();
            first = head.end;
        }
    }

    fn publish(&self, group: &mut Group, placed: &[(BlockHead, usize)], at: u64) {
        let mut state = self.inner.state();
        let active = self.active.id;
        for (head, body_at) in placed {
            state.place(head, active, at + *body_at as u64);
        }
        let mut watching = BTreeMap::new();
        for (of, batch) in std::mem::take(&mut group.batches) {
            state.keep_tail(of, batch.records);
            if let Some(partition) = state.partitions.get(&of) {
                let watchers = partition.watchers.iter();
                watching.extend(watchers.map(|(id, signal)| (*id, Arc::clone(signal))));
            }
        }
        state.trim_tails(self.inner.config.memory_bytes);
        state.positions.append(&mut group.positions);
        for (of, start) in &group.starts {
            state.set_start(*of, *start);
            // Who reads there is to learn that its position moved.
            if let Some(partition) = state.partitions.get(of) {
                let watchers = partition.watchers.iter();
                watching.extend(watchers.map(|(id, signal)| (*id, Arc::clone(signal))));
            }
        }
        if let Some(segment) = state.segments.get_mut(&active) {
            segment.len = self.active.len;
            segment.dirty = self.inner.config.fsync != Fsync::Always;
        }
        drop(state);
        for signal in watching.values() {
            signal.grown();
        }
    }

    fn rotate_if_full(&mut self) -> Result<(), LogError> {
        if self.active.len < self.inner.config.segment_bytes {
            return Ok(());
        }
        let dir = &self.inner.segments;
        let sync = self.inner.config.fsync != Fsync::Never;
        if sync {
            // A later segment must never survive a power cut that this one's end does not.
            self.sync_active()?;
        }
        let mut next = Active::create(dir, self.active.id + 1, self.active.sequence)?;
        self.frame.clear();
        self.inner
            .state()
            .write_to(self.inner.config.shards.count(), &mut self.frame);
        let written = next.append(self.frame.finish(next.sequence), dir);
        let made = written.and_then(|_| if sync { segment::sync_dir(dir) } else { Ok(()) });
        if let Err(error) = made {
            let path = segment::path(dir, next.id);
            if let Err(left) = std::fs::remove_file(&path) {
                tracing::error!(path = %path.display(), error = %left, "cannot remove an empty segment");
            }
            return Err(error);
        }
        let mut state = self.inner.state();
        if let Some(full) = state.segments.get_mut(&self.active.id) {
            full.dirty = !sync;
        }
        let segment = SegmentState {
            file: Arc::clone(&next.file),
            len: next.len,
            live: 0,
            dirty: true,
        };
        state.segments.insert(next.id, segment);
        drop(state);
        self.active = next;
        Ok(())
    }

    /// After a failed sync nobody knows what is on the disk: only a restart, which reads it, may go on.
    fn sync_active(&self) -> Result<(), LogError> {
        let path = segment::path(&self.inner.segments, self.active.id);
        self.active.file.sync_data().map_err(|error| {
            let error = segment::failed("sync", &path, &error);
            self.inner.state().broken = Some(error.clone());
            error
        })
    }
}
