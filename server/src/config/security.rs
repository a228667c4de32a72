//! Whether what is said about TLS and SASL fits together.

use std::fs::File;

use super::Kafka;

const PROTOCOLS: [&str; 4] = ["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"];
const MECHANISMS: [&str; 3] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];

/// Adds every problem of it to `problems`.
pub(super) fn check(kafka: &Kafka, problems: &mut Vec<String>) {
    let protocol = kafka.security_protocol.as_str();
    if !PROTOCOLS.contains(&protocol) {
        problems.push(format!(
            "`kafka.security_protocol` is `{protocol}`: it must be plaintext, ssl, sasl_plaintext or \
             sasl_ssl"
        ));
        return;
    }
    if protocol != "plaintext" && !cfg!(feature = "kafka-ssl") {
        problems.push(format!(
            "`kafka.security_protocol` is `{protocol}`, and this program was built without TLS and \
             SASL: build it by `cargo build --release -p server --features kafka-ssl` (it needs \
             OpenSSL's headers: libssl-dev, pkg-config)"
        ));
    }
    check_sasl(kafka, problems);
    check_tls(kafka, problems);
}

fn check_sasl(kafka: &Kafka, problems: &mut Vec<String>) {
    let options = [
        ("kafka.sasl_mechanism", &kafka.sasl_mechanism),
        ("kafka.sasl_username", &kafka.sasl_username),
        ("kafka.sasl_password", &kafka.sasl_password),
    ];
    let protocol = &kafka.security_protocol;
    let is_sasl = protocol.starts_with("sasl_");
    for (option, value) in options {
        match (is_sasl, value.is_empty()) {
            (true, true) => problems.push(format!(
                "`{option}` is empty: `kafka.security_protocol` = `{protocol}` needs it"
            )),
            (false, false) => problems.push(format!(
                "`{option}` is set, and `kafka.security_protocol` = `{protocol}` does not use it: \
                 make that sasl_ssl, or leave the option out"
            )),
            _ => {}
        }
    }
    let mechanism = kafka.sasl_mechanism.as_str();
    if is_sasl && !mechanism.is_empty() && !MECHANISMS.contains(&mechanism) {
        problems.push(format!(
            "`kafka.sasl_mechanism` is `{mechanism}`: it must be PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
        ));
    }
}

fn check_tls(kafka: &Kafka, problems: &mut Vec<String>) {
    let files = [
        ("kafka.ssl_ca", &kafka.ssl_ca),
        ("kafka.ssl_certificate", &kafka.ssl_certificate),
        ("kafka.ssl_key", &kafka.ssl_key),
    ];
    let protocol = kafka.security_protocol.as_str();
    let is_tls = ["ssl", "sasl_ssl"].contains(&protocol);
    for (option, file) in files.into_iter().filter(|(_, file)| !file.is_empty()) {
        if !is_tls {
            problems.push(format!(
                "`{option}` is set, and `kafka.security_protocol` = `{protocol}` does not use it: \
                 make that ssl or sasl_ssl, or leave the option out"
            ));
        } else if let Err(error) = File::open(file) {
            problems.push(format!("`{option}`: cannot read `{file}`: {error}"));
        }
    }
    if kafka.ssl_certificate.is_empty() != kafka.ssl_key.is_empty() {
        problems.push(
            "`kafka.ssl_certificate` and `kafka.ssl_key` belong together: give both or none"
                .to_owned(),
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn problems(kafka: &str) -> Vec<String> {
        let text = format!("[kafka]\n{kafka}");
        Config::from_text(&text, std::iter::empty())
            .err()
            .unwrap_or_default()
    }

    #[test]
    fn what_does_not_fit_together_is_said() {
        let cases: [(&str, &[&str]); 7] = [
            ("security_protocol = \"tls\"", &["`tls`", "sasl_ssl"]),
            (
                "security_protocol = \"sasl_ssl\"\nsasl_mechanism = \"PLAIN\"\nsasl_username = \"u\"",
                &["`kafka.sasl_password` is empty"],
            ),
            (
                "security_protocol = \"sasl_plaintext\"",
                &[
                    "`kafka.sasl_mechanism` is empty",
                    "`kafka.sasl_username` is empty",
                ],
            ),
            (
                "security_protocol = \"sasl_ssl\"\nsasl_mechanism = \"GSSAPI\"",
                &["`GSSAPI`", "SCRAM-SHA-512"],
            ),
            (
                "sasl_password = \"p\"",
                &[
                    "`kafka.sasl_password` is set",
                    "`plaintext` does not use it",
                ],
            ),
            (
                "ssl_ca = \"ca.pem\"",
                &["`kafka.ssl_ca` is set", "make that ssl or sasl_ssl"],
            ),
            (
                "security_protocol = \"ssl\"\nssl_key = \"/nowhere/key\"",
                &["cannot read `/nowhere/key`", "give both or none"],
            ),
        ];
        for (text, parts) in cases {
            let found = problems(text).join("\n");
            for part in parts {
                assert!(found.contains(part), "{text}: no `{part}` in {found}");
            }
        }
    }

    #[test]
    fn a_program_without_tls_says_how_to_build_one_with_it() {
        let found = problems(
            "security_protocol = \"sasl_ssl\"\nsasl_mechanism = \"SCRAM-SHA-512\"\n\
             sasl_username = \"u\"\nsasl_password = \"p\"",
        );
        if cfg!(feature = "kafka-ssl") {
            assert_eq!(found, Vec::<String>::new());
        } else {
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains("--features kafka-ssl"), "{found:?}");
        }
    }
}
