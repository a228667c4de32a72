//! The log on disk, in one process: for `tidewheel dev`.
//!
//! What was acknowledged survives `kill -9`; what survives a power cut is what [`Fsync`] says.
//!
//! **On disk** there is one row of segment files ([`segment`], [`frame`]). Everything that happens in
//! any partition, records, positions and deletions alike, is appended to the last one by one thread
//! ([`committer`]), which puts all that is waiting into one frame and writes it at once: that is the
//! transaction, and the group commit. A frame is valid as a whole or not at all, and so is a turn.
//!
//! **In memory** ([`state`]) stand the places of blocks (some records of one partition, side by side),
//! the positions, and the youngest records, so that who reads the tail reads no disk.
//!
//! **Forgetting** ([`sweep`]): a segment without live blocks is removed; one with few is emptied by
//! writing those again at the end; compacted topics are rewritten without what was superseded. Nothing
//! ever stalls the committer but its own writes: fsync at intervals, compaction and removal run beside.
//!
//! Groups are trivial: whoever joins a role gets all its shards and fences off whoever had it.

mod bytewise;
mod committer;
mod frame;
mod lock;
mod member;
mod reading;
mod request;
mod segment;
mod signal;
mod state;
mod sweep;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use schemas::{Role, Shard, Shards};

use self::frame::{FrameWriter, Item};
use self::lock::DirLock;
use self::member::Member;
use self::reading::Reading;
use self::request::{Queue, Request};
use self::segment::Active;
use self::signal::Signal;
use self::state::{Owner, SegmentState, State};
use crate::error::LogError;
use crate::log::{Broker, Log, LogEvent, Producer, Reader, Written};
use crate::record::{Outgoing, Position, TopicPartition};

/// How long [`Broker::delete_below`] waits.
const ANSWER: Duration = Duration::from_secs(10);
/// Records of producers wait in at most so many bytes of memory; beyond, they are told to come again.
const QUEUE_BYTES: usize = 64 << 20;

/// When what was written is forced onto the disk. `kill -9` is survived with each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// When the kernel likes; a power cut may make the directory unusable.
    Never,
    /// Every so many ms; a power cut takes at most that much.
    Interval(u64),
    /// Before it is acknowledged.
    Always,
}

/// How the log is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddedConfig {
    /// Partitions of every topic; fixed for a directory once it was opened.
    pub shards: Shards,
    /// Durability beyond `kill -9`.
    pub fsync: Fsync,
    /// A segment file is closed once it is this long, bytes.
    pub segment_bytes: u64,
    /// Memory for the youngest records of all partitions together, bytes.
    pub memory_bytes: usize,
    /// A tombstone of a compacted topic stays readable at least this long, in time and in uptime, ms.
    pub tombstones_kept_ms: u64,
    /// A compacted partition is rewritten once it grew by this much, and by half, bytes.
    pub compact_bytes: u64,
    /// How often the sweep looks round, ms.
    pub sweep_every_ms: u64,
}

impl Default for EmbeddedConfig {
    fn default() -> Self {
        Self {
            shards: Shards::DEFAULT,
            fsync: Fsync::Interval(1_000),
            segment_bytes: 64 << 20,
            memory_bytes: 64 << 20,
            tombstones_kept_ms: 3_600_000,
            compact_bytes: 8 << 20,
            sweep_every_ms: 1_000,
        }
    }
}

/// The log on disk in one process. Dropping it writes what is queued, syncs, and lets the directory go;
/// connections that are left over fail from then on.
#[derive(Debug)]
pub struct EmbeddedBroker {
    inner: Arc<Inner>,
    threads: Vec<JoinHandle<()>>,
    _lock: DirLock,
}

/// What the threads, members and readers share.
#[derive(Debug)]
struct Inner {
    segments: PathBuf,
    config: EmbeddedConfig,
    state: Mutex<State>,
    queue: Mutex<Queue>,
    queued: Condvar,
    stopping: Mutex<bool>,
    stopped: Condvar,
}

impl EmbeddedBroker {
    /// Opens the log in `dir`, which is made if it is not there, and replays it.
    ///
    /// # Errors
    /// [`LogError::Config`] when another process has it, when it was made with another number of
    /// shards, or when it is damaged anywhere but at its end; [`LogError::Fatal`] for I/O errors.
    pub fn open(dir: impl AsRef<Path>, config: EmbeddedConfig) -> Result<Arc<Self>, LogError> {
        let dir = dir.as_ref();
        let segments = dir.join("segments");
        std::fs::create_dir_all(&segments)
            .map_err(|error| segment::failed("make", &segments, &error))?;
        let lock = DirLock::take(dir)?;
        let (state, active) = replay(&segments, &config)?;
        let inner = Arc::new(Inner {
            segments,
            config,
            state: Mutex::new(state),
            queue: Mutex::new(Queue::default()),
            queued: Condvar::new(),
            stopping: Mutex::new(false),
            stopped: Condvar::new(),
        });
        let mut broker = Self {
            inner: Arc::clone(&inner),
            threads: Vec::new(),
            _lock: lock,
        };
        let committing = Arc::clone(&inner);
        broker.spawn("log-commit", move || committer::run(&committing, active))?;
        let sweeping = Arc::clone(&inner);
        broker.spawn("log-sweep", move || sweep::run(&sweeping))?;
        if let Fsync::Interval(ms) = inner.config.fsync {
            let every = Duration::from_millis(ms.max(1));
            broker.spawn("log-sync", move || sweep::sync_at_intervals(&inner, every))?;
        }
        Ok(Arc::new(broker))
    }

    fn spawn(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), LogError> {
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(run)
            .map_err(|error| LogError::Fatal(format!("cannot start thread `{name}`: {error}")))?;
        self.threads.push(thread);
        Ok(())
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        self.inner.close();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the embedded log panicked");
            }
        }
    }
}

impl Broker for EmbeddedBroker {
    fn shards(&self) -> Shards {
        self.inner.config.shards
    }

    fn join(&self, role: Role, member: &str) -> Result<Box<dyn Log>, LogError> {
        let signal = Arc::new(Signal::new());
        let all: Vec<Shard> = self.shards().all().collect();
        signal.post(LogEvent::Assigned(all.clone()));
        let mut state = self.inner.state();
        let epoch = state.owners.get(&role).map_or(1, |owner| owner.epoch + 1);
        let owner = Owner {
            epoch,
            signal: Arc::clone(&signal),
        };
        if let Some(before) = state.owners.insert(role, owner) {
            before.signal.post(LogEvent::Revoked {
                shards: all,
                lost: true,
            });
        }
        drop(state);
        tracing::debug!(role = role.name(), member, epoch, "joined the embedded log");
        let reading = Reading::new(Arc::clone(&self.inner), signal);
        Ok(Box::new(Member::new(role, epoch, reading)))
    }

    fn producer(&self) -> Result<Arc<dyn Producer>, LogError> {
        Ok(Arc::clone(&self.inner) as Arc<dyn Producer>)
    }

    fn reader(&self) -> Result<Box<dyn Reader>, LogError> {
        let signal = Arc::new(Signal::new());
        Ok(Box::new(Reading::new(Arc::clone(&self.inner), signal)))
    }

    fn committed(
        &self,
        role: Role,
        of: &[TopicPartition],
    ) -> Result<Vec<Option<Position>>, LogError> {
        self.inner.state().committed(role, of)
    }

    fn delete_below(&self, below: &[(TopicPartition, i64)]) -> Result<(), LogError> {
        let (done, answer) = sync_channel(1);
        let starts = below.to_vec();
        self.inner.submit(Request::Starts { starts, done });
        answer.recv_timeout(ANSWER).unwrap_or_else(|_| {
            let text = "the embedded log did not delete in time".to_owned();
            Err(LogError::Retry(text))
        })
    }
}

impl Producer for Inner {
    fn send(&self, record: Outgoing, written: Written) {
        if self.queue().bytes() > QUEUE_BYTES {
            let text = "too many records wait to be written".to_owned();
            written(Err(LogError::Retry(text)));
            return;
        }
        self.submit(Request::Send { record, written });
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a request to the committer; after the end, answers it at once.
    fn submit(&self, request: Request) {
        let refused = self.queue().push(request);
        match refused {
            None => self.queued.notify_one(),
            Some(request) => request.refuse(self, &closed()),
        }
    }

    fn close(&self) {
        self.queue().close();
        self.queued.notify_all();
        *self.stopping() = true;
        self.stopped.notify_all();
    }

    fn stopping(&self) -> MutexGuard<'_, bool> {
        self.stopping.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits that long; tells whether the log is to go on.
    fn pause(&self, long: Duration) -> bool {
        let stopping = self.stopping();
        let (stopping, _) = self
            .stopped
            .wait_timeout_while(stopping, long, |stopping| !*stopping)
            .unwrap_or_else(PoisonError::into_inner);
        !*stopping
    }
}

fn closed() -> LogError {
    LogError::Fatal("the embedded log was closed".to_owned())
}

/// Reads every segment; the state afterwards, and the segment to go on with.
fn replay(dir: &Path, config: &EmbeddedConfig) -> Result<(State, Active), LogError> {
    let mut state = State::default();
    let ids = segment::list(dir)?;
    let mut active: Option<Active> = None;
    for id in &ids {
        let before = active.as_ref().filter(|before| before.id + 1 == *id);
        let after = before.and_then(|before| before.sequence.checked_sub(1));
        let last = ids.last() == Some(id);
        let replayed = segment::replay(dir, *id, after, last, &mut |file, found| {
            apply(&mut state, config, *id, file, &found)
        })?;
        if let Some(segment) = state.segments.get_mut(id) {
            segment.len = replayed.len;
        }
        active = Some(replayed);
    }
    let mut active = match active {
        Some(active) => active,
        None => Active::create(dir, 1, 1)?,
    };
    if active.len == frame::MAGIC.len() as u64 {
        let mut first = FrameWriter::new();
        state.write_to(config.shards.count(), &mut first);
        active.append(first.finish(active.sequence), dir)?;
    }
    segment::sync_dir(dir)?;
    state.segments.entry(active.id).or_insert(SegmentState {
        file: Arc::clone(&active.file),
        len: active.len,
        live: 0,
        dirty: true,
    });
    Ok((state, active))
}

/// Takes one replayed frame of segment `id`.
fn apply(
    state: &mut State,
    config: &EmbeddedConfig,
    id: u64,
    file: &Arc<std::fs::File>,
    found: &segment::Found<'_>,
) -> Result<(), LogError> {
    let items = frame::items(found.payload).ok_or_else(|| {
        LogError::Config(format!(
            "segment {id} holds a frame that this release does not understand, before byte {}",
            found.payload_at
        ))
    })?;
    state.segments.entry(id).or_insert_with(|| SegmentState {
        file: Arc::clone(file),
        len: 0,
        live: 0,
        dirty: true,
    });
    for item in items {
        match item {
            Item::Block(head, at) => state.place(&head, id, found.payload_at + at as u64),
            Item::Position(role, of, position) => {
                state.positions.insert((role, of), position);
            }
            Item::Start(of, start) => state.set_start(of, start),
            Item::Partition(of, extent) => state.set_extent(of, extent),
            Item::Shards(count) if count == config.shards.count() => {}
            Item::Shards(count) => {
                return Err(LogError::Config(format!(
                    "the log was made with {count} shards and is configured with {}: the number \
                     cannot change",
                    config.shards.count()
                )));
            }
        }
    }
    Ok(())
}
