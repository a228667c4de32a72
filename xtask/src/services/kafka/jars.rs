//! Kafka's jars from Maven Central, once per version.

use crate::{repo, sys};
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// The directory with the jars of `version`; fetches them (55 MB) when they are not there.
pub(super) fn ensure(version: &str) -> Result<PathBuf> {
    sys::install(&["java"], &["openjdk-17-jre-headless"])?;
    let home = repo::dir(repo::services_dir()?.join(format!("kafka-{version}")))?;
    let (libs, complete) = (home.join("libs"), home.join("complete"));
    if complete.is_file() {
        return Ok(libs);
    }
    sys::install(&["mvn"], &["maven"])?;
    let pom_file = home.join("pom.xml");
    std::fs::write(&pom_file, pom(version)).context("write kafka's pom")?;
    eprintln!("fetching the jars of kafka {version}");
    let mut tried = 0u64;
    loop {
        let mut maven = Command::new("mvn");
        maven
            .args(["-q", "-B", "-f"])
            .arg(&pom_file)
            .arg("dependency:copy-dependencies");
        maven
            .arg(format!("-DoutputDirectory={}", libs.display()))
            .stdout(Stdio::null());
        match sys::run(&mut maven) {
            Ok(()) => break,
            Err(error) if tried == 2 => return Err(error.context("fetch kafka's jars")),
            Err(_) => tried += 1,
        }
        sleep(Duration::from_secs(5 * tried));
    }
    std::fs::write(complete, version).context("note that kafka's jars are complete")?;
    Ok(libs)
}

/// Kafka, its tools, and the binding that brings its log lines to a file: the distribution has
/// one, the published dependencies have not.
fn pom(version: &str) -> String {
    let dependency = |group: &str, artifact: &str, version: &str| {
        format!(
            "    <dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>\
             <version>{version}</version></dependency>\n"
        )
    };
    let binding = if super::settings::is_before_4(version) {
        dependency("org.slf4j", "slf4j-reload4j", "1.7.36")
    } else {
        dependency("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.3")
    };
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n  <modelVersion>4.0.0</modelVersion>\n  \
         <groupId>tidewheel</groupId><artifactId>kafka-jars</artifactId><version>1</version>\n  \
         <packaging>pom</packaging>\n  <dependencies>\n{}{}{binding}  </dependencies>\n</project>\n",
        dependency("org.apache.kafka", "kafka_2.13", version),
        dependency("org.apache.kafka", "kafka-tools", version),
    )
}
