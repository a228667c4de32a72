//! What runs beside the committer: forgetting by age and by key, emptying and removing segments, fsync.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use schemas::Millis;
use schemas::topics::Cleanup;

use super::frame::{self, BLOCK_BYTES, BlockHead};
use super::reading::read_block;
use super::request::Request;
use super::state::Block;
use super::{Inner, closed, segment};
use crate::clock::{Clock, SystemClock};
use crate::error::LogError;
use crate::record::{Record, TopicPartition};

/// Rewritten blocks are handed to the committer about so many bytes at a time, so that a turn that
/// comes in between waits for little.
const REPLACE_BYTES: usize = 1 << 20;

/// A block, with its partition's name, its first offset, and the file that holds it.
#[derive(Clone)]
struct Source {
    of: TopicPartition,
    first: i64,
    block: Block,
    file: Arc<File>,
}

/// Looks round until the log is closed.
pub(super) fn run(inner: &Inner) {
    let opened = SystemClock.now();
    let every = Duration::from_millis(inner.config.sweep_every_ms.max(1));
    while inner.pause(every) {
        let now = SystemClock.now();
        let kept = inner.config.tombstones_kept_ms;
        // Who was away while the log was closed gets as long again to read a tombstone.
        let horizon = if now.mono.saturating_sub(opened.mono) >= kept {
            now.wall.minus(kept)
        } else {
            Millis::MIN
        };
        if let Err(error) = round(inner, now.wall, horizon) {
            if *inner.stopping() {
                return;
            }
            tracing::warn!(%error, "sweep of the embedded log is put off");
        }
    }
}

/// Forces what was written onto the disk, until the log is closed.
pub(super) fn sync_at_intervals(inner: &Inner, every: Duration) {
    while inner.pause(every) {
        if let Err(error) = sync(inner) {
            tracing::error!(%error, "the embedded log cannot sync");
        }
    }
}

pub(super) fn round(inner: &Inner, now: Millis, horizon: Millis) -> Result<(), LogError> {
    forget_aged(inner, now)?;
    for of in to_compact(inner) {
        compact(inner, of, horizon)?;
    }
    while let Some(id) = to_empty(inner) {
        empty(inner, id)?;
        if *inner.stopping() {
            return Err(closed());
        }
    }
    remove_dead(inner)
}

/// Topics that forget by age: whole blocks, oldest first.
fn forget_aged(inner: &Inner, now: Millis) -> Result<(), LogError> {
    let mut starts = Vec::new();
    for (of, partition) in &inner.state().partitions {
        let Cleanup::Aged(ms) = of.topic.cleanup() else {
            continue;
        };
        let limit = now.minus(ms);
        let old = partition
            .blocks
            .values()
            .take_while(|block| block.last_time < limit)
            .last();
        starts.extend(old.map(|block| (*of, block.end)));
    }
    if starts.is_empty() {
        return Ok(());
    }
    ask(inner, |done| Request::Starts { starts, done })
}

/// Compacted partitions that have grown enough to be worth it.
fn to_compact(inner: &Inner) -> Vec<TopicPartition> {
    let enough =
        |bytes: u64, before: u64| bytes > before + (before / 2).max(inner.config.compact_bytes);
    inner
        .state()
        .partitions
        .iter()
        .filter(|(of, partition)| {
            of.topic.cleanup() == Cleanup::Compacted
                && enough(partition.bytes, partition.bytes_compacted)
        })
        .map(|(of, _)| *of)
        .collect()
}

/// Rewrites a partition without what was superseded. A tombstone older than `horizon` goes too: what it
/// stands for lies before it and goes in the same pass or went in an earlier one.
fn compact(inner: &Inner, of: TopicPartition, horizon: Millis) -> Result<(), LogError> {
    let sources = sources(inner, |at, _| at == of);
    let mut latest: HashMap<(u64, u64), i64> = HashMap::new();
    let hashers = (RandomState::new(), RandomState::new());
    let name = |key: &[u8]| (hashers.0.hash_one(key), hashers.1.hash_one(key));
    for source in &sources {
        for record in read_block(&source.file, of, source.first, &source.block)? {
            if let Some(key) = &record.key {
                latest.insert(name(key), record.offset);
            }
        }
    }
    let keep = |record: &Record| {
        let newest = record
            .key
            .as_ref()
            .is_none_or(|key| latest.get(&name(key)) == Some(&record.offset));
        newest && (record.value.is_some() || record.appended >= horizon)
    };
    rewrite(inner, &sources, true, &keep)?;
    if let Some(partition) = inner.state().partitions.get_mut(&of) {
        partition.bytes_compacted = partition.bytes;
    }
    Ok(())
}

/// A closed segment of whose bytes less than a third still count, if there is one: oldest first.
fn to_empty(inner: &Inner) -> Option<u64> {
    let state = inner.state();
    let active = *state.segments.keys().next_back()?;
    state
        .segments
        .iter()
        .find(|(id, segment)| **id != active && segment.live > 0 && segment.live < segment.len / 3)
        .map(|(id, _)| *id)
}

/// Writes what still counts of a segment again, at the end of the log.
fn empty(inner: &Inner, id: u64) -> Result<(), LogError> {
    let sources = sources(inner, |_, block| block.segment == id);
    rewrite(inner, &sources, false, &|_| true)?;
    let left = inner.state().segments.get(&id).map_or(0, |it| it.live);
    if left > 0 {
        let text = format!("segment {id} still counts {left} bytes behind its move");
        return Err(LogError::Fatal(text));
    }
    Ok(())
}

/// Removes closed segments of which nothing counts any more.
fn remove_dead(inner: &Inner) -> Result<(), LogError> {
    let dead: Vec<u64> = {
        let state = inner.state();
        let active = state.segments.keys().next_back().copied();
        state
            .segments
            .iter()
            .filter(|(id, segment)| Some(**id) != active && segment.live == 0)
            .map(|(id, _)| *id)
            .collect()
    };
    if dead.is_empty() {
        return Ok(());
    }
    // What was moved elsewhere must be there for certain before its origin goes.
    sync(inner)?;
    for id in dead {
        inner.state().segments.remove(&id);
        let path = segment::path(&inner.segments, id);
        std::fs::remove_file(&path).map_err(|error| segment::failed("remove", &path, &error))?;
    }
    segment::sync_dir(&inner.segments)
}

/// Syncs every segment that was written to since it was last synced.
fn sync(inner: &Inner) -> Result<(), LogError> {
    let mut dirty = Vec::new();
    for (id, segment) in &mut inner.state().segments {
        if std::mem::take(&mut segment.dirty) {
            dirty.push((*id, Arc::clone(&segment.file)));
        }
    }
    for (id, file) in dirty {
        let path = segment::path(&inner.segments, id);
        file.sync_data().map_err(|error| {
            // Nobody knows what is on the disk now: only a restart, which reads it, may go on.
            let error = segment::failed("sync", &path, &error);
            inner.state().broken = Some(error.clone());
            error
        })?;
    }
    Ok(())
}

fn sources(inner: &Inner, wanted: impl Fn(TopicPartition, &Block) -> bool) -> Vec<Source> {
    let state = inner.state();
    let mut sources = Vec::new();
    for (of, partition) in &state.partitions {
        for (first, block) in &partition.blocks {
            if wanted(*of, block)
                && let Some(segment) = state.segments.get(&block.segment)
            {
                sources.push(Source {
                    of: *of,
                    first: *first,
                    block: *block,
                    file: Arc::clone(&segment.file),
                });
            }
        }
    }
    sources
}

/// Blocks that are written anew, joined to longer ones where they are neighbours.
struct Rewrite<'a> {
    inner: &'a Inner,
    open: Option<(BlockHead, Vec<Record>, usize)>,
    ready: Vec<(BlockHead, Vec<u8>)>,
    ready_bytes: usize,
}

/// Writes `sources` again with only the records to `keep`. With `only_changed`, long ones of which
/// everything is kept stay where they are.
fn rewrite(
    inner: &Inner,
    sources: &[Source],
    only_changed: bool,
    keep: &dyn Fn(&Record) -> bool,
) -> Result<(), LogError> {
    let mut rewrite = Rewrite {
        inner,
        open: None,
        ready: Vec::new(),
        ready_bytes: 0,
    };
    for source in sources {
        let mut records = read_block(&source.file, source.of, source.first, &source.block)?;
        let count = records.len();
        records.retain(keep);
        let long = source.block.len as usize >= BLOCK_BYTES / 4;
        if only_changed && long && records.len() == count {
            rewrite.close();
            continue;
        }
        rewrite.add(source, records)?;
        if *inner.stopping() {
            return Err(closed());
        }
    }
    rewrite.close();
    rewrite.flush()
}

impl Rewrite<'_> {
    fn add(&mut self, source: &Source, records: Vec<Record>) -> Result<(), LogError> {
        let bytes = source.block.len as usize;
        match &mut self.open {
            Some((head, open, size))
                if head.of == source.of
                    && head.end == source.first
                    && *size + bytes <= BLOCK_BYTES =>
            {
                head.end = source.block.end;
                head.last_time = head.last_time.max(source.block.last_time);
                open.extend(records);
                *size += bytes;
            }
            _ => {
                self.close();
                let head = BlockHead {
                    of: source.of,
                    first: source.first,
                    end: source.block.end,
                    last_time: source.block.last_time,
                    len: 0,
                };
                self.open = Some((head, records, bytes));
            }
        }
        if self.ready_bytes >= REPLACE_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn close(&mut self) {
        if let Some((mut head, records, _)) = self.open.take() {
            let mut body = Vec::new();
            for record in &records {
                frame::put_record(&mut body, head.first, record);
            }
            head.len = u32::try_from(body.len()).unwrap_or(u32::MAX);
            self.ready_bytes += body.len();
            self.ready.push((head, body));
        }
    }

    fn flush(&mut self) -> Result<(), LogError> {
        self.ready_bytes = 0;
        let blocks = std::mem::take(&mut self.ready);
        if blocks.is_empty() {
            return Ok(());
        }
        ask(self.inner, |done| Request::Replace { blocks, done })
    }
}

/// Asks the committer, and waits for its answer.
fn ask(
    inner: &Inner,
    request: impl FnOnce(std::sync::mpsc::SyncSender<Result<(), LogError>>) -> Request,
) -> Result<(), LogError> {
    let (done, answer) = sync_channel(1);
    inner.submit(request(done));
    answer.recv().unwrap_or_else(|_| Err(closed()))
}
