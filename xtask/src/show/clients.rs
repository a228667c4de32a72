//! Producers and consumers that this project did not write: the jars' console tools, and Python
//! with Confluent's client.

use crate::harness::Deployment;
use crate::services::{kafka, python};
use crate::sys;
use anyhow::{Context, Result, bail};
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const PRODUCE: &str = include_str!("clients/produce.py");
const GARBAGE: &str = include_str!("clients/garbage.py");
const BULK: &str = include_str!("clients/bulk.py");

/// Whose producer writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    /// kafka-console-producer of the jars, Java's default partitioner.
    Java,
    /// confluent-kafka with its default partitioner, which is another one.
    Python,
}

impl Client {
    /// Writes lines `key|value` to a topic and waits until all are acknowledged.
    pub(super) fn send(self, to: &Deployment, topic: &str, lines: &str) -> Result<()> {
        let (bootstrap, topic) = (to.bootstrap(), to.topic(topic));
        let mut command = match self {
            Self::Java => {
                let args = kafka::ToolArgs::of(&[
                    "--bootstrap-server",
                    bootstrap,
                    "--topic",
                    &topic,
                    "--reader-property",
                    "parse.key=true",
                    "--reader-property",
                    "key.separator=|",
                ]);
                kafka::tool_command("org.apache.kafka.tools.ConsoleProducer", &args)?
            }
            Self::Python => {
                let mut python = Command::new(python::ensure()?);
                python.args(["-c", PRODUCE, bootstrap, &topic]);
                python
            }
        };
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn().context("start a producer")?;
        let mut stdin = child.stdin.take().context("stdin is piped")?;
        stdin
            .write_all(lines.as_bytes())
            .context("hand lines to a producer")?;
        drop(stdin);
        let status = child.wait()?;
        if !status.success() {
            bail!("the {self:?} producer ended with {status}");
        }
        Ok(())
    }
}

/// Writes malformed records of all kinds; returns how many kinds there are.
pub(super) fn garbage(to: &Deployment, topic: &str, records: u64) -> Result<u64> {
    let mut python = Command::new(python::ensure()?);
    python.args([
        "-c",
        GARBAGE,
        to.bootstrap(),
        &to.topic(topic),
        &records.to_string(),
    ]);
    let told: serde_json::Value = serde_json::from_str(&sys::capture(&mut python)?)?;
    told["kinds"].as_u64().context("garbage tells its kinds")
}

/// Registrations due far ahead, from number `first` on.
#[derive(Debug)]
pub(super) struct Bulk<'a> {
    pub topic: &'a str,
    pub tenant: &'a str,
    pub first: u64,
    pub count: u64,
    pub url: &'a str,
    /// From, to.
    pub days_ahead: (f64, f64),
}

/// Starts writing them.
pub(super) fn start_bulk(to: &Deployment, bulk: &Bulk<'_>) -> Result<Child> {
    let mut python = Command::new(python::ensure()?);
    python.args([
        "-c",
        BULK,
        to.bootstrap(),
        &to.topic(bulk.topic),
        bulk.tenant,
    ]);
    python.args([&bulk.first.to_string(), &bulk.count.to_string(), bulk.url]);
    python.args([
        &bulk.days_ahead.0.to_string(),
        &bulk.days_ahead.1.to_string(),
    ]);
    python.stdout(Stdio::null());
    python.spawn().context("start the bulk producer")
}

/// Everything that stands in a topic, one record a line, read by the jars' console consumer until
/// nothing more comes for a while.
pub(super) fn read_all(of: &Deployment, topic: &str, at_most: u64) -> Result<Vec<String>> {
    let topic = of.topic(topic);
    let args = kafka::ToolArgs::of(&[
        "--bootstrap-server",
        of.bootstrap(),
        "--topic",
        &topic,
        "--from-beginning",
        "--isolation-level",
        "read_committed",
        "--max-messages",
        &at_most.to_string(),
        "--timeout-ms",
        "10000",
    ]);
    let class = "org.apache.kafka.tools.consumer.ConsoleConsumer";
    let text = sys::capture(&mut kafka::tool_command(class, &args)?)?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// What the groups of this deployment have still to read of a topic.
pub(super) fn lag(of: &Deployment, topic: &str) -> Result<u64> {
    let topic = of.topic(topic);
    let args = [
        "--bootstrap-server",
        of.bootstrap(),
        "--describe",
        "--all-groups",
    ];
    let class = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
    let text = sys::capture(&mut kafka::tool_command(
        class,
        &kafka::ToolArgs::of(&args),
    )?)?;
    Ok(lag_in(&text, &topic))
}

/// The sum over the lines `GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG …`.
fn lag_in(text: &str, topic: &str) -> u64 {
    text.lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| words.get(1) == Some(&topic))
        .filter_map(|words| words.get(5).and_then(|lag| lag.parse::<u64>().ok()))
        .sum()
}

/// Waits until a topic is read to its end.
pub(super) fn wait_lag_zero(of: &Deployment, topic: &str, limit: Duration) -> Result<bool> {
    let mut failed = None;
    let done = sys::wait_until(limit, || match lag(of, topic) {
        Ok(lag) => lag == 0,
        Err(error) => {
            failed = Some(error);
            true
        }
    });
    failed.map_or(Ok(done), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_summed_over_groups_and_partitions_of_one_topic() {
        let text = "\n\
            GROUP  TOPIC  PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG  CONSUMER-ID  HOST  CLIENT-ID\n\
            x.a    x.t    0          10              12              2    c            h     i\n\
            x.a    x.t    1          -               12              -    c            h     i\n\
            x.b    x.t    0          9               12              3    c            h     i\n\
            x.b    x.u    0          0               12              12   c            h     i\n";
        assert_eq!(lag_in(text, "x.t"), 5);
    }
}
