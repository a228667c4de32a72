//! What was begun, for crash tests.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use schemas::Millis;

use crate::error::Error;
use crate::event::CallOrder;

/// A line for each call begun, written before it is sent: `fire_id leg attempt wall_ms`. Against the
/// committed outcomes it tells which calls a crash may have doubled.
#[derive(Debug)]
pub(super) struct Journal(Mutex<File>);

impl Journal {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(|source| Error::Journal {
            path: path.display().to_string(),
            source,
        })?;
        Ok(Self(Mutex::new(file)))
    }

    pub(super) fn note(&self, order: &CallOrder, now: Millis) {
        let fire = &order.fire;
        let line = format!(
            "{} {} {} {now}\n",
            fire.fire_id, fire.leg, order.work.attempt
        );
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(line.as_bytes()) {
            tracing::error!(%error, "a begun call is missing from the journal");
        }
    }
}
