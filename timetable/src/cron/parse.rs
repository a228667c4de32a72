//! Text to fields, with the place of the first fault.

use super::cursor::{Cursor, shorten};
use super::error::CronError;
use super::field::{Field, Set};
use super::list::List;

/// Longest text looked at.
const LONGEST: usize = 512;

/// The seven fields as sets, and where the text of each begins.
#[derive(Debug)]
pub(super) struct Parsed {
    /// In the order of [`Field::ALL`].
    pub(super) sets: [Set; 7],
    /// Where each field begins; where it is left out, where the text ends.
    pub(super) positions: [usize; 7],
    /// Whether the years are given.
    pub(super) has_years: bool,
    /// What a nickname stands for.
    pub(super) plain: Option<&'static str>,
    /// Whether an `H` asks for a seed.
    pub(super) is_hashed: bool,
}

/// Reads an expression; `H` takes its values from `seed`.
pub(super) fn parse(text: &str, seed: u64) -> Result<Parsed, CronError> {
    if text.chars().count() > LONGEST {
        return Err(CronError::new(
            LONGEST,
            format!("is longer than {LONGEST} characters"),
        ));
    }
    if let Some((position, c)) = text.chars().enumerate().find(|(_, c)| !c.is_ascii()) {
        return Err(CronError::new(
            position,
            format!("`{c}` means nothing in cron"),
        ));
    }
    let words = words(text);
    let Some((first, word)) = words.first().copied() else {
        return Err(CronError::new(
            0,
            "is empty; write five fields, as in `30 2 * * MON-FRI`",
        ));
    };
    if word.starts_with('@') {
        return nickname(text, word, first, &words, seed);
    }
    if word.contains('=') {
        return Err(CronError::new(
            first,
            format!(
                "`{}` has no place here; the zone stands in `zone`",
                shorten(word)
            ),
        ));
    }
    fields(text, &words, seed)
}

/// What stands between blanks, with its position.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut cursor = Cursor::new(text, 0, text.len());
    let mut words = Vec::new();
    loop {
        cursor.run(|c| c.is_ascii_whitespace());
        let position = cursor.position();
        let word = cursor.run(|c| !c.is_ascii_whitespace());
        if word.is_empty() {
            return words;
        }
        words.push((position, word));
    }
}

/// `@daily` and friends: as the five fields they stand for.
fn nickname(
    text: &str,
    word: &str,
    position: usize,
    words: &[(usize, &str)],
    seed: u64,
) -> Result<Parsed, CronError> {
    let stands_for = match word.to_ascii_lowercase().as_str() {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        "@every" => {
            let hint = "`@every` is not cron; write the schedule {\"every\": \"10s\"}";
            return Err(CronError::new(position, hint));
        }
        "@reboot" => {
            let hint = "`@reboot` means nothing here: nothing of yours starts with the scheduler";
            return Err(CronError::new(position, hint));
        }
        _ => {
            let hint =
                "there are @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly";
            return Err(CronError::new(
                position,
                format!("`{}` is not a nickname; {hint}", shorten(word)),
            ));
        }
    };
    if let Some((position, more)) = words.get(1) {
        return Err(CronError::new(
            *position,
            format!(
                "`{}` stands behind `{word}`, which is whole by itself",
                shorten(more)
            ),
        ));
    }
    let mut parsed = fields(stands_for, &self::words(stands_for), seed)?;
    parsed.plain = Some(stands_for);
    parsed.positions = [position; 7];
    parsed.positions[6] = text.len();
    Ok(parsed)
}

fn fields(text: &str, words: &[(usize, &str)], seed: u64) -> Result<Parsed, CronError> {
    let count = words.len();
    if !(5..=7).contains(&count) {
        let position = words.get(7).map_or(text.len(), |(position, _)| *position);
        return Err(CronError::new(
            position,
            format!(
                "has {count} fields; write 5 (minute hour day month weekday), \
                 6 (seconds first) or 7 (year last)"
            ),
        ));
    }
    let mut parsed = Parsed {
        sets: Default::default(),
        positions: [text.len(); 7],
        has_years: count == 7,
        plain: None,
        is_hashed: false,
    };
    // Without seconds the first word is the minute.
    let skipped = usize::from(count == 5);
    for (place, field) in Field::ALL.into_iter().enumerate() {
        let word = place
            .checked_sub(skipped)
            .and_then(|index| words.get(index));
        let (Some(set), Some(start)) =
            (parsed.sets.get_mut(place), parsed.positions.get_mut(place))
        else {
            continue;
        };
        match word {
            Some((position, word)) => {
                *start = *position;
                let list = Cursor::new(text, *position, position + word.len());
                parsed.is_hashed |= List { field, seed }.read(list, set)?;
            }
            // Seconds left out are second 0; years left out are all of them.
            None if field == Field::Second => {
                *start = words.first().map_or(0, |(position, _)| *position);
                set.insert(field, 0);
            }
            None => set.any = true,
        }
    }
    Ok(parsed)
}
