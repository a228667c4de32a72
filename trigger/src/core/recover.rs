//! From facts of the log to where a slot partition goes on: pure.

use pipeline::Position;

use super::note::Note;

/// Where a slot partition goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// Read from there; what the note says holds.
    Resume(i64, Note),
    /// Read from there, everything is new.
    Fresh(i64),
    /// The committed position is gone although the shard was at work before and the partition holds
    /// records: which of them fired is not known. Firing them all again would be as wrong as dropping
    /// them, so a person must decide.
    Stop,
}

/// Decides. `worked` says whether this shard ever committed anything; `(low, end)` are the first
/// offset still there and the one behind the last.
pub(crate) fn recover(
    worked: bool,
    committed: Option<&Position>,
    (low, end): (i64, i64),
) -> Recovery {
    match committed {
        Some(position) => {
            // Nothing is deleted that was not committed past; a higher low end is only a later view.
            let start = position.offset.max(low);
            match Note::decode(&position.note) {
                Some(note) => Recovery::Resume(start, note),
                None => Recovery::Fresh(start),
            }
        }
        None if worked && end > low => Recovery::Stop,
        None => Recovery::Fresh(low),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::note::{Counts, Life};
    use crate::core::watermark::Watermark;

    #[test]
    fn a_partition_resumes_starts_or_stops() {
        let note = Note {
            life: Life::Unknown,
            dealt: 9,
            mark: Watermark::START,
            counts: Counts::default(),
        };
        let text = note.encode();
        let at = |offset, note: &str| Some((offset, note.to_owned()));
        let cases = [
            (
                "as noted",
                true,
                at(5, &text),
                (0, 20),
                Recovery::Resume(5, note),
            ),
            (
                "lower part deleted",
                true,
                at(5, &text),
                (7, 20),
                Recovery::Resume(7, note),
            ),
            ("no note", true, at(5, ""), (0, 20), Recovery::Fresh(5)),
            (
                "foreign note",
                true,
                at(5, "{}"),
                (0, 20),
                Recovery::Fresh(5),
            ),
            ("never worked", false, None, (0, 20), Recovery::Fresh(0)),
            (
                "never worked, old topic",
                false,
                None,
                (7, 20),
                Recovery::Fresh(7),
            ),
            (
                "worked, empty partition",
                true,
                None,
                (0, 0),
                Recovery::Fresh(0),
            ),
            (
                "worked, emptied partition",
                true,
                None,
                (7, 7),
                Recovery::Fresh(7),
            ),
            ("position lost", true, None, (0, 20), Recovery::Stop),
        ];
        for (name, worked, committed, ends, expected) in cases {
            let position = committed.map(|(offset, note)| Position { offset, note });
            assert_eq!(recover(worked, position.as_ref(), ends), expected, "{name}");
        }
    }
}
