//! What no type can say about the configuration.

use std::net::{Ipv4Addr, SocketAddr};

use schemas::TenantId;

use super::{Config, LogKind, security};
use crate::stages;

/// Collects problems.
struct Problems<'a>(&'a mut Vec<String>);

impl Problems<'_> {
    fn need(&mut self, good: bool, problem: &str) {
        if !good {
            self.0.push(problem.to_owned());
        }
    }
}

/// Adds every problem of `config` to `problems`.
pub(super) fn check(config: &Config, problems: &mut Vec<String>) {
    let mut problems = Problems(problems);
    check_log(config, &mut problems);
    check_addresses(config, &mut problems);
    check_stages(config, &mut problems);
    problems.need(
        ["text", "json"].contains(&config.telemetry.format.as_str()),
        "`telemetry.format` must be text or json",
    );
}

fn check_log(config: &Config, problems: &mut Problems<'_>) {
    problems.need(
        config.log.shards > 0,
        "`log.shards` is 0: it must be 1 or more, 8 suits most",
    );
    let kafka = &config.kafka;
    problems.need(
        !kafka.bootstrap.is_empty() || config.log.kind == LogKind::Embedded,
        "`kafka.bootstrap` is empty: name at least one broker as host:port",
    );
    problems.need(
        (1_000..=300_000).contains(&kafka.session_timeout.0),
        "`kafka.session_timeout` must be between 1s and 5m",
    );
    if config.log.kind == LogKind::Kafka {
        security::check(kafka, problems.0);
    }
    problems.need(
        kafka.min_insync_replicas <= kafka.replication,
        "`kafka.min_insync_replicas` is larger than `kafka.replication`: nothing could be written",
    );
}

fn check_addresses(config: &Config, problems: &mut Problems<'_>) {
    let listens = [
        ("http.listen", &config.http.listen),
        ("internal.listen", &config.internal.listen),
    ];
    for (name, value) in listens {
        let problem =
            format!("`{name}` is `{value}`: it must be an address and port, 127.0.0.1:7800");
        problems.need(value.parse::<SocketAddr>().is_ok(), &problem);
    }
    let internal = config.internal.listen.parse::<SocketAddr>();
    problems.need(
        internal.is_ok_and(|it| it.ip().is_loopback()) || !config.internal.token.is_empty(),
        "`internal.listen` is reachable from other machines: set `internal.token`",
    );
}

fn check_stages(config: &Config, problems: &mut Problems<'_>) {
    // Without keys only a process with the door is wrong, and says so itself.
    let door = ingest::Config {
        allow_anonymous_loopback: true,
        ..config.ingest.clone()
    };
    for problem in door.validate(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))) {
        problems.0.push(format!("section `ingest`: {problem}"));
    }
    problems.need(
        (60_000..=600_000).contains(&config.planner.horizon.0),
        "`planner.horizon` must be between 1m and 10m: the slots span 12 minutes",
    );
    problems.need(
        (1 << 20..=1 << 30).contains(&config.planner.slot_bytes),
        "`planner.slot_bytes` must be between 1 MiB (1_048_576) and 1 GiB (1_073_741_824)",
    );
    for intake in &config.planner.intakes {
        let problem = format!(
            "`planner.intakes`: `{}` is not a tenant name",
            intake.tenant
        );
        problems.need(TenantId::new(&intake.tenant).is_ok(), &problem);
    }
    problems.need(
        (100..=60_000).contains(&config.worker.clock_bound.0),
        "`worker.clock_bound` must be between 100ms and 1m",
    );
    problems.need(
        config.worker.give_way.0 <= 300_000,
        "`worker.give_way` must be at most 5m; 0s: never",
    );
    problems.need(
        (10..=5_000).contains(&config.trigger.lead.0),
        "`trigger.lead` must be between 10ms and 5s",
    );
    check_door(config, problems);
    for (option, problem) in stages::trigger(config).problems() {
        problems.0.push(format!("`trigger.{option}` {problem}"));
    }
    for problem in stages::dispatcher(config).validate() {
        problems.0.push(format!("section `dispatcher`: {problem}"));
    }
    let archive = &config.archive.url;
    problems.need(
        archive.is_empty() || archive.starts_with("mysql://") || archive.starts_with("sqlite:"),
        "`archive.url` must begin with mysql:// or sqlite:, or be empty for no archive",
    );
    problems.need(
        config.archive.retention_days > 0,
        "`archive.retention_days` is 0: nothing would be kept",
    );
}

/// Whether there are keys at all is the door's own question when it opens: other roles need none.
fn check_door(config: &Config, problems: &mut Problems<'_>) {
    let mut door = config.ingest.clone();
    let mut listen = config.http.listen.parse::<SocketAddr>().ok();
    if door.keys.is_empty() {
        door.allow_anonymous_loopback = true;
        listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    }
    for problem in listen
        .map(|listen| door.validate(listen))
        .unwrap_or_default()
    {
        problems.0.push(format!("section `ingest`: {problem}"));
    }
}
