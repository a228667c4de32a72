//! Scripts: a step a line, behind `=>` what was told by then, as `request answer`.

use planner::Zones;
use schemas::{AnswerBody, CommandAnswer, TaskId, TaskState, Topic};
use serde_json::{Value, json};
use timetable::Zone;

use super::World;

/// Runs a script three ways: as it is; with every turn cut in vain first; and with the local store
/// lost each time as well. All must tell the same.
pub(crate) fn check(name: &str, script: &str) {
    let lines = script.lines().filter(|line| line.contains("=>")).count();
    println!("table of {lines} lines: {name}");
    for (abort_all, lose_stores) in [(false, false), (true, false), (true, true)] {
        let mut world = World::new();
        world.abort_all = abort_all;
        world.lose_stores = lose_stores;
        for line in script
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            let (step, expected) = line.split_once("=>").unwrap_or((line, ""));
            let told = run(&mut world, step.trim());
            let place = format!("{name}: `{step}` (aborting {abort_all}, losing {lose_stores})");
            assert_eq!(told, expected.trim(), "{place}");
        }
    }
}

/// Runs one step until everything rests; what was told, and what was shown.
#[expect(clippy::too_many_lines, reason = "an arm for each word")]
pub(crate) fn run(world: &mut World, step: &str) -> String {
    let words: Vec<&str> = step.split_whitespace().collect();
    let mut shown = Vec::new();
    match words.as_slice() {
        ["time", wait] => {
            // In steps, as a world goes on while time passes.
            let mut left = ms(wait);
            while left > 0 {
                let step = left.min(if world.behind.calls_take.is_some() {
                    500
                } else {
                    10_000
                });
                world.now = world.now.plus(step);
                left -= step;
                world.pump();
            }
        }
        ["down", wait] => {
            world.crash();
            world.now = world.now.plus(ms(wait));
        }
        ["calls", "take", takes] => world.behind.calls_take = Some(ms(takes)),
        ["calls"] => shown.push(world.calls()),
        ["left"] => {
            world.pump();
            shown.extend(world.left_out());
        }
        ["payloads", id] => {
            world.pump();
            shown.push(world.behind.payloads(&task_id(id)));
        }
        ["backfills", id] => {
            world.pump();
            shown.push(world.backfills(id));
        }
        ["sweep", request] => {
            world.pump();
            shown.push(world.sweep(request.parse().unwrap()));
        }
        ["rows"] => {
            world.pump();
            shown.extend(world.rows_of_index());
        }
        ["shares", id] => {
            world.pump();
            shown.push(world.shares(id));
        }
        ["tally", id] => {
            world.pump();
            shown.push(world.tally(id));
        }
        ["calendar", name, closed] => {
            let windows: Vec<Value> = closed
                .split(',')
                .map(|time| json!({"time": time}))
                .collect();
            let json = json!({"excluded": windows}).to_string();
            world.calendar(&format!("t/{name}"), Some(&json));
        }
        ["calendar", name] => {
            world.calendar(&format!("t/{name}"), None);
        }
        ["reason", id] => {
            world.pump();
            let view = world.view(id).unwrap();
            shown.push(view.reason.unwrap_or_default());
        }
        ["fold"] => world.fold = true,
        ["busy", wait] => world.busy_until = world.now.plus(ms(wait)),
        ["stop"] => world.behind.stopped = true,
        ["go"] => world.behind.stopped = false,
        ["tzdata", version] => world.release(zones(version)),
        ["moved"] => {
            world.pump();
            shown.extend(world.moved());
        }
        ["crash"] => world.crash(),
        ["lose"] => world.lose(),
        ["fire", id] => world.behind.fire(&task_id(id)),
        ["begin", id] => world.behind.begin(&task_id(id)),
        ["late", id] => {
            let now = world.now;
            world.behind.expire(&task_id(id), now);
        }
        ["end", id, how] => {
            let now = world.now;
            world.behind.end(&task_id(id), how, 0, now);
        }
        ["end", id, how, answer] if answer.contains('=') => {
            let now = world.now;
            world.behind.begin(&task_id(id));
            world
                .behind
                .end_with(&task_id(id), how, 0, Some(body(answer)), now);
        }
        ["end", id, how, wait] => {
            let now = world.now;
            world.behind.end(&task_id(id), how, ms(wait), now);
        }
        ["show", id] => {
            world.pump();
            let state = world.view(id).map(|view| view.state);
            shown.push(state.map_or_else(|| "none".to_owned(), word_of));
        }
        ["wheel"] => {
            world.pump();
            shown.extend(world.behind.planted());
        }
        ["payload" | "waits" | "why", id] => shown.extend(look(world, words[0], id)),
        command => {
            let body = json(command);
            world.ask(Topic::Registrations, &body);
        }
    }
    world.pump();
    let told = if world.keep_answers {
        Vec::new()
    } else {
        std::mem::take(&mut world.answers)
    };
    let told = told
        .iter()
        .map(|(n, answer)| format!("{n} {}", word(answer)));
    told.chain(shown).collect::<Vec<_>>().join(", ")
}

/// What there is to see of a step of a flow.
fn look(world: &mut World, at: &str, id: &str) -> Vec<String> {
    world.pump();
    if at == "payload" {
        return vec![world.behind.payload(&task_id(id))];
    }
    let view = world.view(id).unwrap();
    if at == "why" {
        return vec![view.reason.unwrap()];
    }
    let waits = view.waits_for.iter().map(|it| {
        let state = it.state.map_or_else(|| "absent".to_owned(), word_of);
        let unmet = if it.unmet { " unmet" } else { "" };
        format!("{} {state}{unmet}", it.step)
    });
    waits.collect()
}

/// A command in words as a registration.
pub(crate) fn json(words: &[&str]) -> Value {
    let [op, id, rest @ ..] = words else {
        panic!("not a step: {words:?}");
    };
    let mut body = json!({"op": op, "tenant": "t"});
    match id.strip_prefix('#') {
        // Many tasks: `#all`, or `#` and a tag.
        Some("all") => body["all"] = json!(true),
        Some(tag) => body["tag"] = json!(tag),
        None => body["id"] = json!(id),
    }
    for word in rest {
        let (field, value) = word.split_once('=').unwrap_or(("after", word));
        match field {
            field if value == "null" => body[field] = Value::Null,
            "after" => body["schedule"] = json!({"after": value}),
            "at" => body["schedule"] = json!({"at": super::START + value.parse::<i64>().unwrap()}),
            // `cron=0_2_*_*_*`
            "cron" => body["schedule"]["cron"] = json!(value.replace('_', " ")),
            "zone" | "gap" | "fold" => body["schedule"][field] = json!(value),
            "every" | "after_each" | "max_runs" | "jitter" => {
                let number = value.parse::<u64>().map(Value::from);
                body["schedule"][field] = number.unwrap_or_else(|_| json!(value));
            }
            "start" | "end" | "anchor" => {
                let at = super::START + i64::try_from(ms(value)).unwrap();
                body["schedule"][field] = json!(at);
            }
            "broadcast" => body["broadcast"] = json!(value.parse::<u64>().unwrap()),
            "calendars" => {
                body["schedule"]["calendars"] = value.split(',').map(Value::from).collect();
            }
            "on_closed" => body["schedule"]["on_closed"] = json!(value),
            "overlap" => body["overlap"] = json!(value),
            "misfire" => {
                body["misfire"]["policy"] = json!(value);
            }
            "most" => body["misfire"]["max"] = json!(value.parse::<u64>().unwrap()),
            "threshold" | "window" => body["misfire"][field] = json!(value),
            "url" => body["call"] = json!({"url": format!("http://h/{value}")}),
            "payload" => body["payload"] = json!(value),
            "tags" => body["tags"] = value.split(',').map(Value::from).collect(),
            "needs" => body["needs"] = value.split(',').map(need).collect(),
            "join" => body["join"] = json!(value),
            "from" if *op == "backfill" => body["from"] = json!(signed(value)),
            "from" => body["payload_from"] = json!(value),
            "expires" => body["expires_after"] = json!(value),
            "to" => body["to"] = json!(signed(value)),
            "max" => body["max"] = json!(value.parse::<u64>().unwrap()),
            "stop" => body["stop"] = json!(value == "true"),
            "version" => body["if_version"] = json!(value.parse::<u64>().unwrap()),
            other => panic!("no such field: {other}"),
        }
    }
    if *op == "register" && body.get("call").is_none() {
        body["call"] = json!({"url": "http://h/"});
    }
    body
}

/// So long behind the start, or, with a `-`, before it.
fn signed(text: &str) -> i64 {
    let (sign, text) = match text.strip_prefix('-') {
        Some(text) => (-1, text),
        None => (1, text),
    };
    super::START + sign * i64::try_from(ms(text)).unwrap()
}

/// `step`, `step:failure`, `step@/pointer~value`.
fn need(text: &str) -> Value {
    let (text, when) = match text.split_once('@') {
        Some((text, when)) => (text, Some(when)),
        None => (text, None),
    };
    let (step, on) = text.split_once(':').unwrap_or((text, "success"));
    let mut need = json!({"step": step, "on": on});
    if let Some((pointer, value)) = when.and_then(|when| when.split_once('~')) {
        let equals: Value = serde_json::from_str(value).unwrap();
        need["when"] = json!({"pointer": pointer, "equals": equals});
    }
    need
}

/// `type=text`; `cut=text` was cut.
fn body(answer: &str) -> AnswerBody {
    let (name, text) = answer.split_once('=').unwrap();
    AnswerBody {
        bytes: text.to_owned().into(),
        content_type: (!name.is_empty() && name != "cut").then(|| name.to_owned()),
        cut: name == "cut",
    }
}

fn word_of(state: TaskState) -> String {
    format!("{state:?}").to_lowercase()
}

/// Time zone data of a version: by those of `west` clocks of Paris show what those of London do.
fn zones(version: &str) -> Zones {
    let west = |name: &str| match name {
        "Europe/Paris" => Zone::parse("Europe/London"),
        name => Zone::parse(name),
    };
    Zones {
        version: version.to_owned(),
        find: if version.starts_with("west") {
            west
        } else {
            Zone::parse
        },
    }
}

fn task_id(id: &str) -> TaskId {
    TaskId::new(id).unwrap()
}

fn ms(text: &str) -> u64 {
    schemas::duration::parse(text).unwrap()
}

pub(crate) fn word(answer: &CommandAnswer) -> String {
    match answer {
        CommandAnswer::Created { .. } => "created".to_owned(),
        CommandAnswer::Unchanged { .. } => "unchanged".to_owned(),
        CommandAnswer::Changed { .. } => "changed".to_owned(),
        CommandAnswer::Conflict { .. } => "conflict".to_owned(),
        CommandAnswer::Cancelled => "cancelled".to_owned(),
        CommandAnswer::TooLate => "too_late".to_owned(),
        CommandAnswer::Unknown => "unknown".to_owned(),
        CommandAnswer::Calendar { change, .. } => format!("{change:?}").to_lowercase(),
        CommandAnswer::Refused { complaints } => format!("refused {}", complaints[0].field),
    }
}
