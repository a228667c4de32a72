//! Segment files: found, replayed and cut at open; appended to by the committer; removed by the sweep.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::frame::{self, FRAME_HEAD, MAGIC};
use crate::error::LogError;

/// The segment that is written to.
#[derive(Debug)]
pub(super) struct Active {
    /// Its number; later ones are higher.
    pub(super) id: u64,
    /// The file, shared with readers.
    pub(super) file: Arc<File>,
    /// Where the next frame goes.
    pub(super) len: u64,
    /// The sequence number the next frame gets.
    pub(super) sequence: u64,
}

/// Takes the frames of a segment, one by one.
pub(super) type Each<'a> = dyn FnMut(&Arc<File>, Found<'_>) -> Result<(), LogError> + 'a;

/// One frame found at open.
pub(super) struct Found<'a> {
    /// Where its payload stands in the file.
    pub(super) payload_at: u64,
    /// The payload, whole.
    pub(super) payload: &'a [u8],
}

impl Active {
    /// Makes segment `id`, which must not exist.
    pub(super) fn create(dir: &Path, id: u64, sequence: u64) -> Result<Self, LogError> {
        let path = path(dir, id);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(|error| failed("create", &path, &error))?;
        file.write_all_at(MAGIC, 0)
            .map_err(|error| failed("write", &path, &error))?;
        Ok(Self {
            id,
            file: Arc::new(file),
            len: MAGIC.len() as u64,
            sequence,
        })
    }

    /// Writes one finished frame; tells where it stands. After an error nothing of it is there.
    pub(super) fn append(&mut self, frame: &[u8], dir: &Path) -> Result<u64, LogError> {
        let at = self.len;
        if let Err(error) = self.file.write_all_at(frame, at) {
            // What was torn must go, or a shorter frame written here next would be followed by its rest.
            let cut = self.file.set_len(at);
            let mut text = failed("write", &path(dir, self.id), &error);
            if let Err(cut) = cut {
                text = LogError::Fatal(format!("{text}; and it cannot be cut back: {cut}"));
            }
            return Err(text);
        }
        self.len += frame.len() as u64;
        self.sequence += 1;
        Ok(at)
    }
}

/// The numbers of the segments in `dir`, ascending.
pub(super) fn list(dir: &Path) -> Result<Vec<u64>, LogError> {
    let entries = std::fs::read_dir(dir).map_err(|error| failed("list", dir, &error))?;
    let mut ids = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| failed("list", dir, &error))?;
        let name = entry.file_name();
        let id: Option<u64> = name
            .to_str()
            .and_then(|name| name.strip_suffix(".seg"))
            .and_then(|name| name.parse().ok());
        ids.extend(id);
    }
    ids.sort_unstable();
    Ok(ids)
}

/// Where segment `id` lives.
pub(super) fn path(dir: &Path, id: u64) -> PathBuf {
    dir.join(format!("{id:020}.seg"))
}

/// Reads segment `id`, hands its frames to `each` in order, and returns it ready to be appended to.
/// `after` is the sequence number of the frame before its first, if that is known. Where `last`, a torn
/// end is cut off: it was never acknowledged. Anywhere else it is damage, and nothing is opened.
pub(super) fn replay(
    dir: &Path,
    id: u64,
    after: Option<u64>,
    last: bool,
    each: &mut Each<'_>,
) -> Result<Active, LogError> {
    let path = path(dir, id);
    let io = |what: &'static str| {
        let path = path.clone();
        move |error: std::io::Error| failed(what, &path, &error)
    };
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .map_err(io("open"))?;
    let size = file.metadata().map_err(io("look at"))?.len();
    let file = Arc::new(file);
    let mut from = BufReader::with_capacity(1 << 20, &*file);
    let mut magic = [0; MAGIC.len()];
    let begun = size >= MAGIC.len() as u64;
    if begun {
        from.read_exact(&mut magic).map_err(io("read"))?;
    }
    if begun && &magic != MAGIC {
        return Err(LogError::Config(format!(
            "`{}` is not a segment of a log this release knows",
            path.display()
        )));
    }
    let mut sequence = after;
    let mut len = MAGIC.len() as u64;
    let mut payload = Vec::new();
    while let Some(head) =
        next_frame(&mut from, size.saturating_sub(len), &mut payload).map_err(io("read"))?
    {
        let (_, found) = frame::frame_head(&head);
        if sequence.is_some_and(|before| found != before + 1) {
            break;
        }
        sequence = Some(found);
        let payload_at = len + FRAME_HEAD as u64;
        let payload = payload.as_slice();
        each(
            &file,
            Found {
                payload_at,
                payload,
            },
        )?;
        len = payload_at + payload.len() as u64;
    }
    if len != size {
        if !last {
            return Err(LogError::Config(format!(
                "`{}` is damaged at byte {len} of {size} and is not the last segment: restore it, or \
                 move the directory away to begin with an empty log",
                path.display()
            )));
        }
        if size > len {
            tracing::warn!(path = %path.display(), at = len, size, "cutting off a torn end");
        }
        file.set_len(len).map_err(io("cut"))?;
        file.write_all_at(MAGIC, 0).map_err(io("write"))?;
    }
    drop(from);
    Ok(Active {
        id,
        file,
        len,
        sequence: sequence.map_or(0, |last| last + 1),
    })
}

/// Reads one frame of at most `room` bytes; `None` at the end or where it is not whole.
fn next_frame(
    from: &mut impl Read,
    room: u64,
    payload: &mut Vec<u8>,
) -> std::io::Result<Option<[u8; FRAME_HEAD]>> {
    let Some(room) = room.checked_sub(FRAME_HEAD as u64) else {
        return Ok(None);
    };
    let mut head = [0; FRAME_HEAD];
    from.read_exact(&mut head)?;
    let (length, _) = frame::frame_head(&head);
    if length as u64 > room {
        return Ok(None);
    }
    payload.resize(length, 0);
    from.read_exact(payload)?;
    Ok(frame::is_whole(&head, payload).then_some(head))
}

/// Makes the names of files in `dir` durable.
pub(super) fn sync_dir(dir: &Path) -> Result<(), LogError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|error| failed("sync", dir, &error))
}

/// An I/O error in words that say what to look at.
pub(super) fn failed(what: &str, path: &Path, error: &std::io::Error) -> LogError {
    let hint = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            " (make room; the log goes on by itself then)"
        }
        _ => "",
    };
    LogError::Fatal(format!("cannot {what} `{}`: {error}{hint}", path.display()))
}
