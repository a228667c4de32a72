//! `tidewheel topics plan|apply|check`.

use crate::cli::Topics;
use crate::config::Config;

/// Compares the topics with what they should be, and mends them where that was asked.
#[cfg(feature = "kafka")]
pub(crate) fn run(command: &Topics, config: &Config) -> anyhow::Result<()> {
    use pipeline::kafka::KafkaBroker;

    let broker = KafkaBroker::new(crate::broker::kafka(config)?)?;
    let admin = broker.admin();
    match command {
        Topics::Plan(_) => {
            for change in admin.plan()? {
                println!("{change}");
            }
        }
        Topics::Apply(_) => {
            for change in admin.apply()? {
                println!("{change}");
            }
            let left = admin.check()?;
            for problem in &left {
                eprintln!("{problem}");
            }
            anyhow::ensure!(
                left.is_empty(),
                "{} difference(s) could not be mended",
                left.len()
            );
        }
        Topics::Check(_) => {
            let problems = admin.check()?;
            for problem in &problems {
                eprintln!("{problem}");
            }
            anyhow::ensure!(
                problems.is_empty(),
                "{} difference(s); `tidewheel topics apply` mends what can be mended",
                problems.len()
            );
            println!("ok");
        }
    }
    Ok(())
}

/// There are none to compare.
#[cfg(not(feature = "kafka"))]
pub(crate) fn run(_: &Topics, _: &Config) -> anyhow::Result<()> {
    anyhow::bail!("this build has no Kafka; build it with feature `kafka`")
}
