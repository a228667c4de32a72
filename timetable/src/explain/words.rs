//! A schedule in English. Croner describes what its syntax has; ours adds the rest.

use crate::cron::Cron;
use crate::timetable::{Beat, OnClosed, Timetable};
use crate::zone::Zone;

pub(super) fn words(timetable: &Timetable, zone: Zone) -> String {
    let mut words = match &timetable.beat {
        Beat::Cron(rule) => format!("{} In {zone}.", cron(rule.cron())),
        Beat::Every(every) => format!("Every {}.", period(every.period_ms())),
    };
    let spread = &timetable.spread;
    if spread.jitter_ms > 0 {
        words += &format!(
            " Each up to {} late, by its own hash.",
            period(spread.jitter_ms)
        );
    }
    if spread.window_ms > 0 {
        let window = period(spread.window_ms);
        words += &format!(" Anywhere within {window}, by the task's hash.");
    }
    if timetable.on_closed == OnClosed::Move {
        words += " Moved to the end of closed times.";
    }
    words
}

fn cron(cron: &Cron) -> String {
    let describe = |text: &str| {
        text.parse::<croner::Cron>()
            .map(|cron| cron.describe())
            .ok()
    };
    let fields = cron.resolved();
    describe(&fields.join(" "))
        .or_else(|| {
            // `L-3` is not in croner's syntax.
            let mut fields = fields.clone();
            let days = std::mem::replace(fields.get_mut(3)?, "*".to_owned());
            let rest = describe(&fields.join(" "))?;
            Some(format!("{} On the days `{days}` of the month.", rest))
        })
        .unwrap_or_else(|| format!("As `{cron}` says."))
}

/// `1h30m`, `10s`, `1500ms`.
fn period(ms: u64) -> String {
    const UNITS: [(&str, u64); 4] = [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
    ];
    let mut rest = ms;
    let mut text = String::new();
    for (unit, length) in UNITS {
        if rest >= length {
            text += &format!("{}{unit}", rest / length);
            rest %= length;
        }
    }
    if rest > 0 {
        text += &format!("{rest}ms");
    }
    text
}
