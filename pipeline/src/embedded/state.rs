//! What the log knows of itself: where every record stands, the young ones in memory, positions, who
//! owns which role. One lock around all of it, held for map operations only, never for I/O.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::sync::Arc;

use schemas::{Millis, Role};

use super::frame::{BlockHead, Extent, FrameWriter};
use super::signal::Signal;
use crate::error::LogError;
use crate::record::{Position, Record, TopicPartition};

/// A block's first offset is its key in [`Partition::blocks`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    /// First offset behind its span.
    pub(super) end: i64,
    /// Which segment holds it.
    pub(super) segment: u64,
    /// Where its body stands there.
    pub(super) at: u64,
    /// Length of the body.
    pub(super) len: u32,
    /// When the youngest record of the span was appended.
    pub(super) last_time: Millis,
}

/// One partition. Its blocks' spans lie side by side from the start (or a little before) to the end.
#[derive(Debug, Default)]
pub(super) struct Partition {
    pub(super) extent: Extent,
    pub(super) blocks: BTreeMap<i64, Block>,
    /// The youngest records, without gaps, up to the end.
    pub(super) tail: VecDeque<Record>,
    /// Who is to be told when it grows, by the number of its signal.
    pub(super) watchers: BTreeMap<u64, Arc<Signal>>,
    /// Bytes of blocks in all, and how many they were behind the last compaction.
    pub(super) bytes: u64,
    pub(super) bytes_compacted: u64,
}

/// One segment file.
#[derive(Debug)]
pub(super) struct SegmentState {
    pub(super) file: Arc<File>,
    /// Length so far.
    pub(super) len: u64,
    /// Bytes of blocks that still count.
    pub(super) live: u64,
    /// Whether something was written since it was last synced.
    pub(super) dirty: bool,
}

/// The member that has a role.
#[derive(Debug)]
pub(super) struct Owner {
    /// Raised by every join: commits of earlier ones fail.
    pub(super) epoch: u64,
    /// Where its events go.
    pub(super) signal: Arc<Signal>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) partitions: BTreeMap<TopicPartition, Partition>,
    pub(super) positions: BTreeMap<(Role, TopicPartition), Position>,
    pub(super) segments: BTreeMap<u64, SegmentState>,
    pub(super) owners: BTreeMap<Role, Owner>,
    /// Commits handed in and not yet decided.
    pub(super) undecided: BTreeMap<Role, u32>,
    /// Why nothing can be written any more, ever.
    pub(super) broken: Option<LogError>,
    /// Which partitions' tails hold how many records and bytes, oldest first.
    tails: VecDeque<(TopicPartition, usize, usize)>,
    tail_bytes: usize,
}

/// About what a record costs in memory beside its bytes.
const RECORD_BYTES: usize = 160;
/// What a block costs on disk beside its body.
const BLOCK_HEAD_BYTES: u64 = 33;

impl State {
    pub(super) fn extent(&self, of: TopicPartition) -> Extent {
        self.partitions
            .get(&of)
            .map_or_else(Extent::default, |partition| partition.extent)
    }

    /// Takes a block that was written; it replaces every earlier one within its span.
    pub(super) fn place(&mut self, head: &BlockHead, segment: u64, at: u64) {
        let partition = self.partitions.entry(head.of).or_default();
        let replaced: Vec<i64> = partition
            .blocks
            .range(head.first..head.end.max(head.first))
            .map(|(first, _)| *first)
            .collect();
        for first in replaced {
            if let Some(block) = partition.blocks.remove(&first) {
                partition.bytes -= forget(&mut self.segments, &block);
            }
        }
        let extent = &mut partition.extent;
        extent.end = extent.end.max(head.end);
        extent.last_time = extent.last_time.max(head.last_time);
        if head.end <= extent.start {
            return;
        }
        let block = Block {
            end: head.end,
            segment,
            at,
            len: head.len,
            last_time: head.last_time,
        };
        partition.bytes += cost(&block);
        partition.blocks.insert(head.first, block);
        if let Some(segment) = self.segments.get_mut(&segment) {
            segment.live += cost(&block);
        }
    }

    /// Records of `of` below `start` are gone.
    pub(super) fn set_start(&mut self, of: TopicPartition, start: i64) {
        let partition = self.partitions.entry(of).or_default();
        partition.extent.start = partition.extent.start.max(start);
        while let Some(entry) = partition.blocks.first_entry()
            && entry.get().end <= start
        {
            let block = entry.remove();
            partition.bytes -= forget(&mut self.segments, &block);
        }
    }

    /// As a segment's first frame tells.
    pub(super) fn set_extent(&mut self, of: TopicPartition, told: Extent) {
        let extent = &mut self.partitions.entry(of).or_default().extent;
        extent.end = extent.end.max(told.end);
        extent.last_time = extent.last_time.max(told.last_time);
        self.set_start(of, told.start);
    }

    /// Keeps freshly written records for the readers of the tail.
    pub(super) fn keep_tail(&mut self, of: TopicPartition, records: Vec<Record>) {
        let bytes = records.iter().map(weight).sum();
        self.tails.push_back((of, records.len(), bytes));
        self.tail_bytes += bytes;
        self.partitions.entry(of).or_default().tail.extend(records);
    }

    /// Forgets the oldest tails until they fit into `limit` bytes.
    pub(super) fn trim_tails(&mut self, limit: usize) {
        while self.tail_bytes > limit
            && let Some((of, count, bytes)) = self.tails.pop_front()
        {
            self.tail_bytes -= bytes;
            if let Some(partition) = self.partitions.get_mut(&of) {
                partition.tail.drain(..count.min(partition.tail.len()));
                if partition.tail.is_empty() {
                    partition.tail = VecDeque::new();
                }
            }
        }
    }

    /// Writes the whole small state, as the first frame of a segment.
    pub(super) fn write_to(&self, shards: u16, frame: &mut FrameWriter) {
        frame.shards(shards);
        for (of, partition) in &self.partitions {
            frame.partition(*of, partition.extent);
        }
        for ((role, of), position) in &self.positions {
            frame.position(*role, *of, position);
        }
    }

    /// What `role` committed for each of `of`.
    pub(super) fn committed(
        &self,
        role: Role,
        of: &[TopicPartition],
    ) -> Result<Vec<Option<Position>>, LogError> {
        if self.undecided.get(&role).is_some_and(|count| *count > 0) {
            let text = format!("a transaction of the {} is undecided", role.name());
            return Err(LogError::Retry(text));
        }
        Ok(of
            .iter()
            .map(|of| self.positions.get(&(role, *of)).cloned())
            .collect())
    }

    /// First offset and end of each of `of`.
    pub(super) fn ends(&self, of: &[TopicPartition]) -> Vec<(i64, i64)> {
        of.iter()
            .map(|of| self.extent(*of))
            .map(|extent| (extent.start, extent.end))
            .collect()
    }
}

impl Partition {
    /// Offset of the oldest record in memory; the end where there is none.
    pub(super) fn tail_first(&self) -> i64 {
        self.tail
            .front()
            .map_or(self.extent.end, |record| record.offset)
    }

    /// The block that holds `offset`, or the next one behind it, with its first offset.
    pub(super) fn block_at(&self, offset: i64) -> Option<(i64, Block)> {
        self.blocks
            .range(..=offset)
            .next_back()
            .filter(|(_, block)| block.end > offset)
            .or_else(|| self.blocks.range(offset..).next())
            .map(|(first, block)| (*first, *block))
    }
}

/// Bytes of memory a record takes.
pub(super) fn weight(record: &Record) -> usize {
    let headers: usize = record
        .headers
        .iter()
        .map(|(name, value)| name.len() + value.len() + 64)
        .sum();
    RECORD_BYTES
        + record.key.as_ref().map_or(0, |key| key.len())
        + record.value.as_ref().map_or(0, |value| value.len())
        + headers
}

fn cost(block: &Block) -> u64 {
    u64::from(block.len) + BLOCK_HEAD_BYTES
}

/// A block counts no more.
fn forget(segments: &mut BTreeMap<u64, SegmentState>, block: &Block) -> u64 {
    let cost = cost(block);
    if let Some(segment) = segments.get_mut(&block.segment) {
        segment.live = segment.live.saturating_sub(cost);
    }
    cost
}
