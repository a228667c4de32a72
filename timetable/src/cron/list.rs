//! One field: values, ranges, steps and what else it takes.

use super::cursor::{Cursor, shorten};
use super::error::CronError;
use super::field::{Field, Set};
use crate::hash::mix;

/// Reads the comma-separated parts of one field.
pub(super) struct List {
    pub(super) field: Field,
    pub(super) seed: u64,
}

impl List {
    /// Whether there was an `H`.
    pub(super) fn read(&self, mut list: Cursor<'_>, set: &mut Set) -> Result<bool, CronError> {
        let whole = list.rest();
        let is_day = matches!(self.field, Field::DayOfMonth | Field::DayOfWeek);
        set.any = whole == "*" || whole == "*/1" || (whole == "?" && is_day);
        let mut is_hashed = false;
        for number in 0_u64.. {
            let mut part = list.part();
            if part.is_at_end() {
                return Err(self.fault(&part, "a value is missing"));
            }
            is_hashed |= self.part(&mut part, set, number)?;
            if !part.is_at_end() {
                return Err(self.unread(&part));
            }
            if !list.take(',') {
                break;
            }
        }
        Ok(is_hashed)
    }

    fn part(&self, part: &mut Cursor<'_>, set: &mut Set, number: u64) -> Result<bool, CronError> {
        let start = part.position();
        match part.peek() {
            Some('*') => {
                part.take('*');
                let step = self.step(part)?.unwrap_or(1);
                self.fill(set, self.field.bounds().0, self.field.greatest(), step);
            }
            Some('?') => {
                if !set.any {
                    let what = "`?` stands alone, for the day of month or the day of week";
                    return Err(CronError::new(start, what));
                }
                part.take('?');
                self.fill(set, self.field.bounds().0, self.field.greatest(), 1);
            }
            Some('H' | 'h') => {
                self.hashed(part, set, number)?;
                return Ok(true);
            }
            Some('L' | 'l') if self.field == Field::DayOfMonth => self.last_day(part, set)?,
            Some('L' | 'l') if self.field == Field::DayOfWeek => {
                let what = "`L` wants a weekday in front of it, as in `FRIL` for the last Friday";
                return Err(CronError::new(start, what));
            }
            _ => self.values(part, set)?,
        }
        Ok(false)
    }

    /// `L`, `L-3` and `LW`.
    fn last_day(&self, part: &mut Cursor<'_>, set: &mut Set) -> Result<(), CronError> {
        part.take('L');
        if part.take('W') {
            set.of_month.last_working = true;
        } else if part.take('-') {
            let position = part.position();
            match part.number()? {
                Some(back) if back <= 30 => set.of_month.before_last |= 1 << back,
                _ => {
                    let what = "behind `L-` stands how many days before the last, 0 to 30";
                    return Err(CronError::new(position, what));
                }
            }
        } else {
            set.of_month.before_last |= 1;
        }
        Ok(())
    }

    /// `5`, `1-5`, `1-5/2`, `10/5`, `15W`, `FRIL`, `FRI#2`.
    fn values(&self, part: &mut Cursor<'_>, set: &mut Set) -> Result<(), CronError> {
        let start = part.position();
        let first = self.value(part)?;
        if part.take('-') {
            let last = self.range_end(part, start, first)?;
            let step = self.step(part)?.unwrap_or(1);
            self.fill(set, first, last, step);
        } else if let Some(step) = self.step(part)? {
            self.fill(set, first, self.field.greatest().max(first), step);
        } else if self.field == Field::DayOfMonth && part.take('W') {
            set.of_month.nearest |= 1 << first;
        } else if self.field == Field::DayOfWeek && part.take('L') {
            set.of_week.last |= 1 << (first % 7);
        } else if self.field == Field::DayOfWeek && part.take('#') {
            let position = part.position();
            let nth = part.number()?.filter(|nth| (1..=5).contains(nth));
            let slot = nth.and_then(|nth| set.of_week.nth.get_mut(usize::from(nth) - 1));
            let what = "behind `#` stands which one of the month, 1 to 5";
            *slot.ok_or_else(|| CronError::new(position, what))? |= 1 << (first % 7);
        } else {
            set.insert(self.field, first);
        }
        Ok(())
    }

    /// One number or name within the field's bounds.
    fn value(&self, part: &mut Cursor<'_>) -> Result<u16, CronError> {
        let start = part.position();
        let (least, greatest) = self.field.bounds();
        if let Some(value) = part.number()? {
            if (least..=greatest).contains(&value) {
                return Ok(value);
            }
            let what = format!(
                "`{value}` is not in {least} to {greatest}, the {}",
                self.field.name()
            );
            return Err(CronError::new(start, what));
        }
        // Names have three letters; what follows may be the `L` of `FRIL`.
        let word: String = part
            .rest()
            .chars()
            .take(3)
            .take_while(char::is_ascii_alphabetic)
            .collect();
        match self.field.named(&word) {
            Some(value) => {
                word.chars().for_each(|c| {
                    part.take(c);
                });
                Ok(value)
            }
            None => Err(self.unread(part)),
        }
    }

    fn range_end(&self, part: &mut Cursor<'_>, start: usize, first: u16) -> Result<u16, CronError> {
        let is_name = part.peek().is_some_and(|c| c.is_ascii_alphabetic());
        let last = match self.value(part)? {
            // A week ends with Sunday: FRI-SUN.
            0 if is_name && self.field == Field::DayOfWeek && first > 0 => 7,
            last => last,
        };
        if last < first {
            let what =
                "the range is empty: it ends before it begins; write it as two, with a comma";
            return Err(CronError::new(start, what));
        }
        Ok(last)
    }

    /// `/5`, if it is there.
    fn step(&self, part: &mut Cursor<'_>) -> Result<Option<u16>, CronError> {
        if !part.take('/') {
            return Ok(None);
        }
        let position = part.position();
        let most = self.field.greatest() - self.field.bounds().0;
        match part.number()? {
            Some(step) if (1..=most).contains(&step) => Ok(Some(step)),
            Some(step) => Err(CronError::new(
                position,
                format!(
                    "a step of {step} reaches no second value; {} take 1 to {most}",
                    self.field.name()
                ),
            )),
            None => Err(CronError::new(
                position,
                "behind `/` stands a step, as in `*/5`",
            )),
        }
    }

    /// `H`, `H(a-b)`, `H/n`, `H(a-b)/n`: one value, or every nth from one, that the seed chose.
    fn hashed(&self, part: &mut Cursor<'_>, set: &mut Set, number: u64) -> Result<(), CronError> {
        let start = part.position();
        if self.field == Field::Year {
            return Err(CronError::new(start, "`H` cannot choose a year"));
        }
        part.take('H');
        let (mut first, mut last) = self.field.hashed_bounds();
        if part.take('(') {
            let start = part.position();
            first = self.value(part)?;
            if !part.take('-') {
                return Err(self.fault(part, "`H(` wants a range, as in `H(0-29)`"));
            }
            last = self.range_end(part, start, first)?;
            if last > self.field.hashed_bounds().1 {
                let most = self.field.hashed_bounds().1;
                let what =
                    format!("`H` may reach to {most} here: not every month or week has more");
                return Err(CronError::new(start, what));
            }
            if !part.take(')') {
                return Err(self.fault(part, "`H(` is not closed; write `)`"));
            }
        }
        let place = Field::ALL.iter().position(|field| *field == self.field);
        let salt = (place.unwrap_or(0) as u64) << 32 | number;
        let hash = mix(self.seed, salt);
        let choices = u64::from(last - first) + 1;
        let step = self.step(part)?;
        let among = step.map_or(choices, |step| u64::from(step).min(choices));
        let chosen = first + u16::try_from(hash % among).unwrap_or(0);
        match step {
            Some(step) => self.fill(set, chosen, last, step),
            None => set.insert(self.field, chosen),
        }
        Ok(())
    }

    fn fill(&self, set: &mut Set, first: u16, last: u16, step: u16) {
        for value in (first..=last).step_by(usize::from(step)) {
            set.insert(self.field, value);
        }
    }

    /// What could not be read, with what the field takes.
    fn unread(&self, part: &Cursor<'_>) -> CronError {
        let (least, greatest) = self.field.bounds();
        let names = match self.field.names() {
            [first, .., last] => format!(" or {first} to {last}"),
            _ => String::new(),
        };
        let what = match part.rest() {
            "" => "a value is missing".to_owned(),
            rest => format!("`{}` is not understood", shorten(rest)),
        };
        self.fault(part, &format!("{what}; write {least} to {greatest}{names}"))
    }

    fn fault(&self, part: &Cursor<'_>, what: &str) -> CronError {
        CronError::new(
            part.position(),
            format!("{what}, in the {}", self.field.name()),
        )
    }
}
