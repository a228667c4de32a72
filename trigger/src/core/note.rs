//! What a slot partition's state is made from again, as text beside its committed offset.
//!
//! `trigger/1 life instance O due offset fired revoked expired unread`: words and numbers between
//! spaces, `-` for what is not there. About 100 characters of the 4,096 there may be.

use schemas::{Instance, Millis};

use super::watermark::Watermark;

const VERSION: &str = "trigger/1";

/// Where in its life a slot partition is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Life {
    /// Nothing is known of what it holds; anything may come.
    #[default]
    Unknown,
    /// This instance is not drained.
    Open(Instance),
    /// It is drained; revokes may still come, then its `Free`.
    Drained(Instance),
    /// Nothing comes before this slot's next lap.
    Freed(Instance),
}

/// What became of an instance's records so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Sent to lanes.
    pub(crate) fired: u64,
    /// Taken out on a revoke.
    pub(crate) revoked: u64,
    /// Left too late.
    pub(crate) expired: u64,
    /// Records nobody could read; some may have been placements.
    pub(crate) unread: u64,
}

/// One slot partition, as committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    /// Where in its life.
    pub(crate) life: Life,
    /// Everything below was dealt with (O).
    pub(crate) dealt: i64,
    /// What has fired of it (W).
    pub(crate) mark: Watermark,
    /// Of the open instance.
    pub(crate) counts: Counts,
}

impl Note {
    pub(crate) fn encode(&self) -> String {
        let (life, instance) = match self.life {
            Life::Unknown => ("unknown", None),
            Life::Open(instance) => ("open", Some(instance)),
            Life::Drained(instance) => ("drained", Some(instance)),
            Life::Freed(instance) => ("freed", Some(instance)),
        };
        let instance = number(instance.map(|it| it.start().0));
        let started = self.mark != Watermark::START;
        let due = number(started.then_some(self.mark.due.0));
        let offset = number(started.then_some(self.mark.offset));
        let Counts {
            fired,
            revoked,
            expired,
            unread,
        } = self.counts;
        format!(
            "{VERSION} {life} {instance} {} {due} {offset} {fired} {revoked} {expired} {unread}",
            self.dealt
        )
    }

    /// Reads what [`Note::encode`] wrote; `None` for anything else.
    pub(crate) fn decode(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        if words.next()? != VERSION {
            return None;
        }
        let life = words.next()?;
        let instance = optional(words.next()?)?.map(|start| Instance(Millis(start)));
        let life = match (life, instance) {
            ("unknown", None) => Life::Unknown,
            ("open", Some(instance)) => Life::Open(instance),
            ("drained", Some(instance)) => Life::Drained(instance),
            ("freed", Some(instance)) => Life::Freed(instance),
            _ => return None,
        };
        let dealt = words.next()?.parse().ok()?;
        let due = optional(words.next()?)?;
        let offset = optional(words.next()?)?;
        let mark = match (due, offset) {
            (Some(due), Some(offset)) => Watermark {
                due: Millis(due),
                offset,
            },
            (None, None) => Watermark::START,
            _ => return None,
        };
        let mut count = || words.next()?.parse().ok();
        let counts = Counts {
            fired: count()?,
            revoked: count()?,
            expired: count()?,
            unread: count()?,
        };
        words.next().is_none().then_some(Self {
            life,
            dealt,
            mark,
            counts,
        })
    }
}

fn number(value: Option<i64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn optional(word: &str) -> Option<Option<i64>> {
    if word == "-" {
        return Some(None);
    }
    word.parse().ok().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSTANCE: Instance = Instance(Millis(1_796_086_800_000));

    #[test]
    fn a_note_reads_back_as_written() {
        let mark = Watermark {
            due: Millis(-5),
            offset: 17,
        };
        let counts = Counts {
            fired: u64::MAX,
            revoked: 2,
            expired: 3,
            unread: 4,
        };
        let cases = [
            (
                Life::Unknown,
                Watermark::START,
                Counts::default(),
                "trigger/1 unknown - 42 - - 0 0 0 0",
            ),
            (
                Life::Open(INSTANCE),
                mark,
                counts,
                "trigger/1 open 1796086800000 42 -5 17 18446744073709551615 2 3 4",
            ),
            (
                Life::Drained(INSTANCE),
                Watermark::START,
                Counts::default(),
                "trigger/1 drained 1796086800000 42 - - 0 0 0 0",
            ),
            (
                Life::Freed(INSTANCE),
                mark,
                Counts::default(),
                "trigger/1 freed 1796086800000 42 -5 17 0 0 0 0",
            ),
        ];
        for (life, mark, counts, text) in cases {
            let note = Note {
                life,
                dealt: 42,
                mark,
                counts,
            };
            assert_eq!(note.encode(), text);
            assert_eq!(Note::decode(text), Some(note), "{text}");
        }
    }

    #[test]
    fn a_note_that_is_not_ours_is_not_guessed_at() {
        let cases = [
            "",
            "hello",
            "trigger/2 open 1 2 3 4 5 6 7 8",
            "trigger/1 open - 2 3 4 5 6 7 8",
            "trigger/1 unknown 1 2 3 4 5 6 7 8",
            "trigger/1 open 1 2 3 - 5 6 7 8",
            "trigger/1 open 1 2 3 4 5 6 7",
            "trigger/1 open 1 2 3 4 5 6 7 8 9",
            "trigger/1 open 1 2 3 4 -5 6 7 8",
            "trigger/1 closed 1 2 3 4 5 6 7 8",
        ];
        for text in cases {
            assert_eq!(Note::decode(text), None, "{text}");
        }
    }
}
