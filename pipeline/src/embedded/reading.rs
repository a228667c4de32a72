//! Partitions that are being read: by a member of a group, or by a reader outside of groups.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::frame;
use super::signal::Signal;
use super::state::{Block, weight};
use super::{Inner, closed};
use crate::error::LogError;
use crate::log::{LogEvent, Reader};
use crate::record::{Record, TopicPartition};

/// At most about so many bytes of one partition are handed out at once.
const BATCH_BYTES: usize = 1 << 20;

/// Everything one connection reads, and where it is reached.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) inner: Arc<Inner>,
    pub(super) signal: Arc<Signal>,
    cursors: BTreeMap<TopicPartition, Cursor>,
}

/// How far one partition was read.
#[derive(Debug, Default)]
struct Cursor {
    /// Everything visible below was handed out.
    position: i64,
    /// Read from the disk and not handed out yet.
    ahead: VecDeque<Record>,
    /// The position once `ahead` is handed out.
    ahead_end: i64,
}

/// Where the next records of a partition are.
enum Next {
    /// Here they are, and the position behind them.
    Memory(Vec<Record>, i64),
    /// In this block, which begins at this offset.
    Disk(Arc<File>, i64, Block),
    /// Nowhere.
    Nothing,
}

impl Reading {
    pub(super) fn new(inner: Arc<Inner>, signal: Arc<Signal>) -> Self {
        Self {
            inner,
            signal,
            cursors: BTreeMap::new(),
        }
    }

    pub(super) fn start(&mut self, from: TopicPartition, offset: i64) {
        let cursor = Cursor {
            position: offset,
            ..Cursor::default()
        };
        self.cursors.insert(from, cursor);
        let mut state = self.inner.state();
        let watchers = &mut state.partitions.entry(from).or_default().watchers;
        watchers.insert(self.signal.id, Arc::clone(&self.signal));
    }

    pub(super) fn stop(&mut self, from: TopicPartition) {
        if self.cursors.remove(&from).is_some()
            && let Some(partition) = self.inner.state().partitions.get_mut(&from)
        {
            partition.watchers.remove(&self.signal.id);
        }
    }

    /// As [`crate::Log::poll`].
    pub(super) fn wait(
        &mut self,
        wait: Duration,
        appetite: &mut dyn FnMut(TopicPartition) -> usize,
        events: &mut Vec<LogEvent>,
    ) -> Result<(), LogError> {
        let deadline = Instant::now() + wait;
        let before = events.len();
        let appetites: Vec<(TopicPartition, usize)> = self
            .cursors
            .keys()
            .map(|from| (*from, appetite(*from)))
            .filter(|(_, appetite)| *appetite > 0)
            .collect();
        loop {
            let letters = self.signal.take();
            events.extend(letters.events);
            self.gather(&appetites, events)?;
            if events.len() > before || letters.woken || !self.signal.wait(deadline) {
                return Ok(());
            }
            if *self.inner.stopping() {
                return Err(closed());
            }
        }
    }

    fn gather(
        &mut self,
        appetites: &[(TopicPartition, usize)],
        events: &mut Vec<LogEvent>,
    ) -> Result<(), LogError> {
        for (from, appetite) in self.with_news(appetites) {
            let Some(cursor) = self.cursors.get_mut(&from) else {
                continue;
            };
            let was_at = cursor.position;
            let records = cursor.fetch(&self.inner, from, appetite)?;
            let position = cursor.position;
            if position != was_at {
                events.push(LogEvent::Batch {
                    from,
                    records,
                    position,
                });
            }
        }
        Ok(())
    }

    /// Those of which there is something to hand out.
    fn with_news(&self, appetites: &[(TopicPartition, usize)]) -> Vec<(TopicPartition, usize)> {
        let state = self.inner.state();
        let has_news = |from: &TopicPartition| {
            let position = self.cursors.get(from).map(|cursor| cursor.position);
            position.is_some_and(|position| position < state.extent(*from).end)
        };
        appetites
            .iter()
            .copied()
            .filter(|(from, _)| has_news(from))
            .collect()
    }
}

impl Cursor {
    /// Takes up to `want` records and moves the position behind them.
    fn fetch(
        &mut self,
        inner: &Inner,
        from: TopicPartition,
        want: usize,
    ) -> Result<Vec<Record>, LogError> {
        let mut records = Vec::new();
        let mut bytes = 0;
        while records.len() < want && bytes < BATCH_BYTES {
            if let Some(record) = self.ahead.pop_front() {
                bytes += weight(&record);
                self.position = match self.ahead.front() {
                    Some(_) => record.offset + 1,
                    None => self.ahead_end,
                };
                records.push(record);
                continue;
            }
            match self.next(inner, from, want - records.len(), BATCH_BYTES - bytes) {
                Next::Memory(some, position) => {
                    bytes += some.iter().map(weight).sum::<usize>();
                    self.position = position;
                    records.extend(some);
                }
                Next::Disk(file, first, block) => {
                    let found = read_block(&file, from, first, &block)?;
                    let position = self.position;
                    let wanted = found.into_iter().filter(|it| it.offset >= position);
                    self.ahead = wanted.collect();
                    self.ahead_end = block.end;
                    if self.ahead.is_empty() {
                        self.position = block.end;
                    }
                }
                Next::Nothing => break,
            }
        }
        Ok(records)
    }

    fn next(&mut self, inner: &Inner, from: TopicPartition, want: usize, room: usize) -> Next {
        let state = inner.state();
        let Some(partition) = state.partitions.get(&from) else {
            return Next::Nothing;
        };
        let extent = partition.extent;
        self.position = self.position.max(extent.start);
        let tail_first = partition.tail_first();
        if self.position >= tail_first {
            let skip = usize::try_from(self.position - tail_first).unwrap_or(usize::MAX);
            let mut bytes = 0;
            let some: Vec<Record> = partition
                .tail
                .iter()
                .skip(skip)
                .take(want)
                .take_while(|record| {
                    let fits = bytes < room;
                    bytes += weight(record);
                    fits
                })
                .cloned()
                .collect();
            return match some.last().map(|record| record.offset + 1) {
                Some(position) => Next::Memory(some, position),
                None => Next::Nothing,
            };
        }
        let Some((first, block)) = partition.block_at(self.position) else {
            // Nothing is left on disk below what memory holds.
            self.position = tail_first;
            return Next::Memory(Vec::new(), tail_first);
        };
        if first >= tail_first {
            self.position = tail_first;
            return Next::Memory(Vec::new(), tail_first);
        }
        match state.segments.get(&block.segment) {
            Some(segment) => Next::Disk(Arc::clone(&segment.file), first, block),
            None => Next::Nothing,
        }
    }
}

/// Reads the records of one block.
pub(super) fn read_block(
    file: &File,
    of: TopicPartition,
    first: i64,
    block: &Block,
) -> Result<Vec<Record>, LogError> {
    let mut body = vec![0; usize::try_from(block.len).unwrap_or(usize::MAX)];
    let place = || format!("{of} at offset {first}, segment {}", block.segment);
    file.read_exact_at(&mut body, block.at)
        .map_err(|error| LogError::Fatal(format!("cannot read {}: {error}", place())))?;
    frame::records(first, &body)
        .ok_or_else(|| LogError::Fatal(format!("cannot understand {}", place())))
}

impl Reader for Reading {
    fn read(&mut self, from: TopicPartition, offset: i64) -> Result<(), LogError> {
        self.start(from, offset);
        Ok(())
    }

    fn poll(&mut self, wait: Duration, events: &mut Vec<LogEvent>) -> Result<(), LogError> {
        self.wait(wait, &mut |_| usize::MAX, events)
    }

    fn ends(&mut self, of: &[TopicPartition]) -> Result<Vec<(i64, i64)>, LogError> {
        Ok(self.inner.state().ends(of))
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut state = self.inner.state();
        for from in self.cursors.keys() {
            if let Some(partition) = state.partitions.get_mut(from) {
                partition.watchers.remove(&self.signal.id);
            }
        }
    }
}
