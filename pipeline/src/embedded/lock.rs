//! One process at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::Path;

use super::segment::failed;
use crate::error::LogError;

/// Held while the directory is in use; the kernel lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct DirLock {
    _file: File,
}

impl DirLock {
    /// Takes `dir` for this process.
    pub(super) fn take(dir: &Path) -> Result<Self, LogError> {
        let path = dir.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| failed("open", &path, &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = std::fs::read_to_string(&path).unwrap_or_default();
                let holder = match holder.trim() {
                    "" => "another process".to_owned(),
                    pid => format!("process {pid}"),
                };
                return Err(LogError::Config(format!(
                    "`{}` is in use by {holder}: stop it, or choose another directory",
                    dir.display()
                )));
            }
            Err(TryLockError::Error(error)) => return Err(failed("lock", &path, &error)),
        }
        // The number is for people; the lock is what counts.
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(|error| failed("write", &path, &error))?;
        Ok(Self { _file: file })
    }
}
