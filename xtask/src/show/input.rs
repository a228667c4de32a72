//! pipe.2: registrations by clients that this project did not write.

use super::clients::Client;
use super::report::{Aim, Report};
use super::{ShowArgs, program};
use crate::harness::receiver::Receiver;
use crate::harness::{Deployment, http};
use crate::services::Services;
use crate::sys;
use anyhow::Result;
use serde_json::json;
use std::net::SocketAddr;
use std::time::Duration;

const TASKS: usize = 200;
const INTAKE: &str = "registrations";

/// Both clients register tasks that fire; each cancels tasks that the other registered.
pub(super) fn real_input(args: &ShowArgs, report: &mut Report) -> Result<()> {
    let tidewheel = program(args, "server", "tidewheel")?;
    let services = Services::up(false)?;
    let mut pipe = Deployment::prepare(&tidewheel, &services, "input")?;
    pipe.start_all()?;
    let receiver = Receiver::start()?;
    let url = receiver.url("input");

    Client::Java.send(&pipe, INTAKE, &registers("java", "fires", "5s", &url))?;
    Client::Python.send(&pipe, INTAKE, &registers("python", "fires", "5s", &url))?;
    // Far enough that the other client's cancel comes in time.
    Client::Java.send(&pipe, INTAKE, &registers("java", "stops", "45s", &url))?;
    Client::Python.send(&pipe, INTAKE, &registers("python", "stops", "45s", &url))?;
    Client::Python.send(&pipe, INTAKE, &cancels("java", "stops"))?;
    Client::Java.send(&pipe, INTAKE, &cancels("python", "stops"))?;

    let all = 2 * TASKS;
    sys::wait_until(Duration::from_secs(90), || receiver.count() >= all);
    let door = pipe.door()?;
    for tenant in ["java", "python"] {
        let seen = receiver.seen(&format!("{tenant}/fires-"));
        let fired = seen.fires as f64;
        report.figure(
            format!("{tenant}: fired of {TASKS}"),
            fired,
            "",
            Aim::Is(TASKS as f64),
        );
        report.figure(
            format!("{tenant}: early"),
            seen.early as f64,
            "",
            Aim::Is(0.0),
        );
        report.figure(
            format!("{tenant}: doubled"),
            seen.doubled as f64,
            "",
            Aim::Is(0.0),
        );
        let late = seen.lateness.last().copied().unwrap_or(i64::MAX) as f64;
        report.figure(format!("{tenant}: lateness max"), late, "ms", Aim::Told);
    }
    for (tenant, by) in [("java", "python"), ("python", "java")] {
        let cancelled = cancelled(door, tenant);
        let name = format!("{tenant}: cancelled by {by}");
        report.figure(name, cancelled as f64, "", Aim::Is(TASKS as f64));
    }
    // Had a cancel failed, its call would come within these seconds.
    let called = sys::wait_until(Duration::from_secs(50), || receiver.count() > all);
    report.figure(
        "calls of cancelled tasks",
        f64::from(u8::from(called)),
        "",
        Aim::Is(0.0),
    );
    Ok(())
}

fn cancelled(door: SocketAddr, tenant: &str) -> usize {
    let state = |n: usize| {
        let path = format!("/v1/tasks/{tenant}/stops-{n}");
        http::request(door, "GET", &path, None).map(|answer| answer.json()["state"].clone())
    };
    (0..TASKS)
        .filter(|n| state(*n).is_ok_and(|state| state == "cancelled"))
        .count()
}

fn registers(tenant: &str, name: &str, after: &str, url: &str) -> String {
    lines(tenant, name, |id| {
        json!({"tenant": tenant, "id": id, "schedule": {"after": after},
               "call": {"url": url}, "payload": {"of": tenant}})
    })
}

fn cancels(tenant: &str, name: &str) -> String {
    lines(
        tenant,
        name,
        |id| json!({"op": "cancel", "tenant": tenant, "id": id}),
    )
}

/// `key|value`, a line for each task.
fn lines(tenant: &str, name: &str, value: impl Fn(&str) -> serde_json::Value) -> String {
    (0..TASKS)
        .map(|n| {
            let id = format!("{name}-{n}");
            format!("{tenant}/{id}|{}\n", value(&id))
        })
        .collect()
}
