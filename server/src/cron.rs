//! `tidewheel cron explain`: what an expression means, without any role running.

use anyhow::{Context, Result, bail};
use pipeline::{Clock, clock::SystemClock};
use timetable::{Beat, Cron, Explanation, Fold, Gap, Rule, Timetable, Zone};

use crate::cli::CronExplain;

/// Prints the expression in words and its next occurrences.
///
/// # Errors
/// What is wrong with the expression, with a mark under the place, or with an option.
pub(crate) fn explain(asked: &CronExplain) -> Result<()> {
    let from = match &asked.from {
        Some(text) => schemas::time::parse_rfc3339(text).with_context(|| {
            format!("`--from {text}` is not a time such as `2026-12-01T09:00:00+08:00`")
        })?,
        None => SystemClock.now().wall,
    };
    let explanation = explanation(asked, from.0)?;
    if asked.json {
        println!("{}", serde_json::to_string_pretty(&explanation)?);
    } else {
        print!("{}", text(&explanation));
    }
    Ok(())
}

fn explanation(asked: &CronExplain, from: i64) -> Result<Explanation> {
    let expression = asked.expression.as_str();
    let cron = match Cron::parse_after(expression, from) {
        Ok(cron) => cron.hashed(timetable::seed(&asked.task)),
        Err(error) => bail!("{error}\n  {expression}\n  {:>1$}", "^", error.position + 1),
    };
    let zone = Zone::parse(&asked.zone)?;
    let gap = asked.gap.as_deref().map(|text| {
        Gap::parse(text).with_context(|| format!("`--gap {text}`: there are skip, shift and end"))
    });
    let fold = asked.fold.as_deref().map(|text| {
        Fold::parse(text)
            .with_context(|| format!("`--fold {text}`: there are first, last and both"))
    });
    let rule = Rule::new(cron, zone, gap.transpose()?, fold.transpose()?);
    let timetable = Timetable::of(Beat::Cron(rule));
    Ok(timetable::explain(&timetable, &[], from, asked.n))
}

fn text(explanation: &Explanation) -> String {
    let mut text = format!(
        "{}\ngap {}, fold {}, time zone data {}\n\n",
        explanation.words,
        explanation.gap.unwrap_or("-"),
        explanation.fold.unwrap_or("-"),
        explanation.tzdata
    );
    for occurrence in &explanation.occurrences {
        let abbreviation = occurrence.abbreviation.as_deref().unwrap_or("");
        let line = format!(
            "{:25} {abbreviation:5} {}",
            occurrence.local, occurrence.utc
        );
        text += line.trim_end();
        text.push('\n');
        for note in &occurrence.notes {
            text += &format!("    {note}\n");
        }
    }
    if let Some(ends) = &explanation.ends {
        text += &format!("no more: {ends}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(expression: &str) -> CronExplain {
        CronExplain {
            expression: expression.to_owned(),
            zone: "Europe/Paris".to_owned(),
            gap: None,
            fold: None,
            n: 2,
            from: None,
            task: String::new(),
            json: false,
        }
    }

    #[test]
    fn an_expression_is_explained_in_both_clocks() {
        // 2026-03-28T12:00:00Z
        let explanation = explanation(&asked("30 2 * * *"), 1_774_699_200_000).expect("valid");
        let expected = "\
At 02:30. In Europe/Paris.
gap end, fold first, time zone data 2025b

2026-03-29T03:00:00+02:00 CEST  2026-03-29T01:00:00Z
    clocks go forward over 02:30 on this day: moved to the end of the gap
2026-03-30T02:30:00+02:00 CEST  2026-03-30T00:30:00Z
";
        let expected = expected.replace("2025b", timetable::tzdata_version());
        assert_eq!(text(&explanation), expected);
    }

    #[test]
    fn what_is_wrong_is_marked() {
        let error = explanation(&asked("0 25 * * *"), 0).expect_err("no such hour");
        let error = error.to_string();
        assert!(error.ends_with("\n  0 25 * * *\n    ^"), "{error}");
        for (field, option) in [("gap", "--gap x"), ("fold", "--fold x")] {
            let mut asked = asked("0 5 * * *");
            match field {
                "gap" => asked.gap = Some("x".to_owned()),
                _ => asked.fold = Some("x".to_owned()),
            }
            let error = explanation(&asked, 0)
                .expect_err("no such policy")
                .to_string();
            assert!(error.contains(option), "{error}");
        }
    }
}
