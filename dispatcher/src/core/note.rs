//! The text of a note: which offsets above the frontier are answered, as run lengths in ASCII.
//!
//! `d1:` and then, from the frontier on, pairs of runs: so many unanswered, so many answered. Both are
//! 1 or more. Behind the last pair everything is unanswered. A number n is written as n - 1 in groups
//! of five bits, lowest first, one character each; a character with bit 6 set has another behind it.

/// No note is longer: Kafka refuses metadata over 4,096 characters, and the coordinator's own framing
/// gets a margin.
pub(crate) const LIMIT: usize = 3_900;

const PREFIX: &str = "d1:";
const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
/// A note that tells of more unanswered offsets was not written by us.
const MOST_OPEN: u64 = 1_000_000;

/// One pair of runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Runs {
    /// So many unanswered, 1 or more.
    pub(crate) open: u64,
    /// So many answered behind them, 1 or more.
    pub(crate) answered: u64,
}

/// Writes a note, pair by pair.
#[derive(Debug)]
pub(crate) struct Writer(String);

impl Writer {
    pub(crate) fn new() -> Self {
        Self(PREFIX.to_owned())
    }

    pub(crate) fn push(&mut self, runs: Runs) {
        self.number(runs.open);
        self.number(runs.answered);
    }

    pub(crate) fn finish(self) -> String {
        self.0
    }

    fn number(&mut self, number: u64) {
        let mut rest = number.saturating_sub(1);
        loop {
            let low = (rest & 31) as usize;
            rest >>= 5;
            let more = if rest > 0 { 32 } else { 0 };
            self.0.push(char::from(DIGITS[low | more]));
            if rest == 0 {
                return;
            }
        }
    }
}

/// Reads a note; `None` where it is empty, of another version or not ours at all: then nothing above
/// the frontier is known to be answered, which is always safe.
pub(crate) fn read(note: &str) -> Option<Vec<Runs>> {
    let mut rest = note.strip_prefix(PREFIX)?.bytes();
    let mut pairs = Vec::new();
    let mut open_in_all = 0u64;
    let mut span = 0u64;
    while let Some(open) = number(&mut rest)? {
        let answered = number(&mut rest)??;
        open_in_all = open_in_all.checked_add(open)?;
        span = span.checked_add(open)?.checked_add(answered)?;
        if open_in_all > MOST_OPEN || i64::try_from(span).is_err() {
            return None;
        }
        pairs.push(Runs { open, answered });
    }
    Some(pairs)
}

/// The next number; `Some(None)` at the end, `None` where it is none of ours.
#[expect(
    clippy::option_option,
    reason = "the end and a mistake are different things to `?`"
)]
fn number(from: &mut std::str::Bytes<'_>) -> Option<Option<u64>> {
    let mut value = 0u64;
    let mut shift = 0u32;
    loop {
        let Some(digit) = from.next() else {
            return if shift == 0 { Some(None) } else { None };
        };
        let digit = DIGITS.iter().position(|d| *d == digit)? as u64;
        value |= (digit & 31).checked_shl(shift).filter(|_| shift < 60)?;
        shift += 5;
        if digit & 32 == 0 {
            return Some(Some(value + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(pairs: &[(u64, u64)]) -> String {
        let mut writer = Writer::new();
        for (open, answered) in pairs {
            writer.push(Runs {
                open: *open,
                answered: *answered,
            });
        }
        writer.finish()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let cases: [(&[(u64, u64)], &str); 6] = [
            (&[], "d1:"),
            (&[(1, 1)], "d1:00"),
            (&[(32, 1)], "d1:V0"),
            (&[(33, 2)], "d1:W11"),
            (&[(1, 3), (2, 1_024)], "d1:021_V"),
            (&[(1, 1 << 40), (1_000, 5)], "d1:0_______VdV4"),
        ];
        for (pairs, text) in cases {
            assert_eq!(write(pairs), text);
            let read: Vec<(u64, u64)> = read(text)
                .expect("our own note")
                .into_iter()
                .map(|runs| (runs.open, runs.answered))
                .collect();
            assert_eq!(read, pairs, "{text}");
        }
    }

    #[test]
    fn foreign_notes_are_not_guessed_at() {
        let cases = [
            "",
            "d1",
            "d2:00",
            "d1:0",
            "d1:_",
            "d1:0 ",
            "d1:00W",
            "d1:\u{e4}0",
            "d1:________________0",
            "d1:_________0",
            "{\"v\":1}",
        ];
        for note in cases {
            assert_eq!(read(note), None, "{note}");
        }
    }
}
