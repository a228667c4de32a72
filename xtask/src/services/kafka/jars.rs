//! Kafka's jars from Maven Central, once per version.

use crate::{repo, sys};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// The directory with the jars of `version`; fetches them (55 MB) when they are not there.
pub(super) fn ensure(version: &str) -> Result<PathBuf> {
    ensure_java()?;
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

/// Kafka 4 wants Java 17 or later; which of them a distribution has differs.
fn ensure_java() -> Result<()> {
    if sys::find("java").is_none() {
        return sys::install_packages(&["openjdk-17-jre-headless"])
            .or_else(|_| sys::install_packages(&["openjdk-21-jre-headless"]));
    }
    let output = Command::new("java")
        .arg("-version")
        .output()
        .context("ask java's version")?;
    let text = String::from_utf8_lossy(&output.stderr);
    match java_major(&text) {
        Some(major) if major < 17 => bail!("java on the path is {major}, kafka needs 17 or later"),
        _ => Ok(()),
    }
}

/// The 17 of `openjdk version "17.0.15" 2025-04-15`; 8 for `"1.8.0_402"`.
fn java_major(text: &str) -> Option<u32> {
    let version = text.split('"').nth(1)?;
    let mut parts = version.split(['.', '_', '-', '+']).map(str::parse::<u32>);
    match (parts.next()?.ok()?, parts.next()) {
        (1, Some(Ok(minor))) => Some(minor),
        (major, _) => Some(major),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn javas_version_is_read_in_both_its_styles() {
        let cases = [
            ("openjdk version \"17.0.15\" 2025-04-15", Some(17)),
            ("java version \"1.8.0_402\"", Some(8)),
            ("openjdk version \"21\" 2023-09-19", Some(21)),
            ("no java", None),
        ];
        for (text, major) in cases {
            assert_eq!(java_major(text), major, "{text}");
        }
    }
}
