//! Reads an expression from left to right and knows where it stands.

use super::error::CronError;

/// What is left of one stretch of an ASCII expression.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    end: usize,
}

impl<'a> Cursor<'a> {
    /// The characters `start..end` of `text`, which is ASCII.
    pub(super) fn new(text: &'a str, start: usize, end: usize) -> Self {
        Self {
            text,
            at: start,
            end: end.min(text.len()),
        }
    }

    /// Characters of the whole expression before the next one.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// What has not been read.
    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..self.end).unwrap_or("")
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest().is_empty()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Reads `wanted`, in any case, if that is next.
    pub(super) fn take(&mut self, wanted: char) -> bool {
        let found = self
            .peek()
            .is_some_and(|next| next.eq_ignore_ascii_case(&wanted));
        if found {
            self.at += 1;
        }
        found
    }

    /// Reads on while characters are of one kind.
    pub(super) fn run(&mut self, kind: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c| !kind(c)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or("")
    }

    /// Reads digits: at most four of them make a value.
    pub(super) fn number(&mut self) -> Result<Option<u16>, CronError> {
        let position = self.at;
        let digits = self.run(|c| c.is_ascii_digit());
        if digits.is_empty() {
            return Ok(None);
        }
        match digits.parse::<u16>() {
            Ok(number) if digits.len() <= 4 => Ok(Some(number)),
            _ => Err(CronError::new(
                position,
                format!("`{}` is too large a number", shorten(digits)),
            )),
        }
    }

    /// The next comma-separated part, without the comma.
    pub(super) fn part(&mut self) -> Self {
        let start = self.at;
        self.run(|c| c != ',');
        Self::new(self.text, start, self.at)
    }
}

/// Enough of a text to be recognised.
pub(super) fn shorten(text: &str) -> String {
    const ENOUGH: usize = 24;
    if text.chars().count() <= ENOUGH {
        return text.to_owned();
    }
    text.chars().take(ENOUGH).chain("…".chars()).collect()
}
