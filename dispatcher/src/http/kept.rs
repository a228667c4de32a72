//! Connections that wait for their next call, by host.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use tokio::runtime::Handle;

use super::Host;
use super::plain::Line;
use crate::config::Config;

/// The connections of one thread that no call uses. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Connections(Arc<Mutex<Kept>>);

#[derive(Debug)]
struct Kept {
    /// The one used last is behind the others.
    idle: HashMap<Host, VecDeque<Line>, RandomState>,
    /// How many are being opened.
    opening: HashMap<Host, usize, RandomState>,
    longest: Duration,
    most: usize,
    /// Whether somebody looks after those that waited too long.
    swept: bool,
}

impl Connections {
    pub(super) fn new(config: &Config) -> Self {
        Self(Arc::new(Mutex::new(Kept {
            idle: HashMap::default(),
            opening: HashMap::default(),
            longest: Duration::from_millis(config.idle_timeout_ms),
            most: config.idle_per_host,
            swept: false,
        })))
    }

    /// The connection to `host` that was used last, unless it waited too long.
    pub(super) fn take(&self, host: &Host) -> Option<Line> {
        let mut kept = lock(&self.0);
        let line = kept.idle.get_mut(host)?.pop_back()?;
        (line.since.elapsed() < kept.longest).then_some(line)
    }

    /// A place for one more connection to `host`, unless `most` wait for calls or are being opened.
    pub(super) fn may_open(&self, host: &Host, most: usize) -> Option<Opening> {
        let mut kept = lock(&self.0);
        let idle = kept.idle.get(host).map_or(0, VecDeque::len);
        let opening = kept.opening.get(host).copied().unwrap_or(0);
        if idle + opening >= most.min(kept.most) {
            return None;
        }
        kept.opening.insert(host.clone(), opening + 1);
        Some(Opening {
            host: host.clone(),
            of: Arc::downgrade(&self.0),
        })
    }

    /// Keeps a connection that can be used again.
    pub(super) fn give(&self, host: &Host, mut line: Line) {
        line.since = Instant::now();
        let mut kept = lock(&self.0);
        let most = kept.most;
        keep(kept.idle.entry(host.clone()).or_default(), line, most);
        // A thread that ends has no runtime left, and closes all it has.
        if !kept.swept
            && let Ok(runtime) = Handle::try_current()
        {
            kept.swept = true;
            runtime.spawn(sweep(Arc::downgrade(&self.0), kept.longest));
        }
    }
}

/// A connection that is being opened.
#[derive(Debug)]
pub(super) struct Opening {
    host: Host,
    of: Weak<Mutex<Kept>>,
}

impl Drop for Opening {
    fn drop(&mut self) {
        let Some(kept) = self.of.upgrade() else {
            return;
        };
        let mut kept = lock(&kept);
        if let Some(opening) = kept.opening.get_mut(&self.host) {
            *opening -= 1;
            if *opening == 0 {
                kept.opening.remove(&self.host);
            }
        }
    }
}

/// Closes connections that waited too long, for as long as there are any idle ones.
async fn sweep(kept: Weak<Mutex<Kept>>, longest: Duration) {
    loop {
        tokio::time::sleep(longest.max(Duration::from_millis(100)) / 4).await;
        let Some(kept) = kept.upgrade() else {
            return;
        };
        let mut kept = lock(&kept);
        let now = Instant::now();
        kept.idle.retain(|_, lines| {
            while lines
                .front()
                .is_some_and(|line| now.saturating_duration_since(line.since) >= longest)
            {
                lines.pop_front();
            }
            !lines.is_empty()
        });
        if kept.idle.is_empty() {
            kept.swept = false;
            return;
        }
    }
}

/// Keeps `most` at most: the one that waited longest goes.
fn keep<L>(idle: &mut VecDeque<L>, line: L, most: usize) {
    idle.push_back(line);
    if idle.len() > most {
        idle.pop_front();
    }
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_connections_beyond_the_most_are_dropped_oldest_first() {
        for (most, kept) in [(0, vec![]), (2, vec![2, 3]), (3, vec![1, 2, 3])] {
            let mut idle = VecDeque::new();
            for line in 1..=3 {
                keep(&mut idle, line, most);
            }
            assert_eq!(idle, kept, "{most}");
        }
    }
}
