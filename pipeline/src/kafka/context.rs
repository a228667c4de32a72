//! What every client does with what librdkafka tells it beside records.

use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use super::failure;

/// The last trouble of one client, to explain why a call that timed out did.
#[derive(Clone, Debug, Default)]
pub(super) struct Trouble {
    last: Arc<Mutex<Option<Last>>>,
}

/// What librdkafka called it, and its words.
type Last = (Option<Code>, String);

impl Trouble {
    /// That no broker is left ("1/1 brokers are down") never hides why.
    pub(super) fn note(&self, code: Option<Code>, text: String) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if code != Some(Code::AllBrokersDown) || last.is_none() {
            *last = Some((code, text));
        }
    }

    pub(super) fn last(&self) -> Option<Last> {
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Its code, if only a person can mend it.
    pub(super) fn advice(&self) -> Option<Code> {
        let (code, _) = self.last()?;
        code.filter(|code| failure::advice(*code).is_some())
    }
}

/// The context of clients that need no more than logs and errors.
#[derive(Clone, Debug, Default)]
pub(super) struct Quiet {
    pub(super) trouble: Trouble,
}

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log(level as i32, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        note_error(&self.trouble, &error, reason);
    }
}

impl ConsumerContext for Quiet {}

/// Writes one line of librdkafka into our own log.
pub(super) fn log(level: i32, facility: &str, text: &str) {
    match level {
        // A connection that breaks is an error to it; to us it is what retries are for.
        ..=4 => tracing::warn!(target: "librdkafka", facility, "{text}"),
        5 | 6 => tracing::info!(target: "librdkafka", facility, "{text}"),
        _ => tracing::trace!(target: "librdkafka", facility, "{text}"),
    }
}

/// Keeps and logs an error that no call returns.
pub(super) fn note_error(trouble: &Trouble, error: &KafkaError, reason: &str) {
    let code = error.rdkafka_error_code();
    match code {
        Some(Code::PartitionEOF) => {}
        // Its log tells them too, and holds repetitions back.
        Some(Code::BrokerTransportFailure | Code::AllBrokersDown | Code::Resolve) => {
            tracing::debug!(target: "librdkafka", %error, reason, "trouble with a broker");
        }
        _ => tracing::warn!(target: "librdkafka", %error, reason, "trouble with a broker"),
    }
    trouble.note(code.map(|code| meant(code, reason)), reason.to_owned());
}

/// A certificate that is not trusted is now an SSL error to librdkafka and now a connection that broke, as its
/// threads find it; only the words are the same.
fn meant(code: Code, reason: &str) -> Code {
    match code {
        Code::BrokerTransportFailure if reason.contains("certificate verify failed") => Code::SSL,
        code => code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_is_not_trusted_is_for_a_person_to_mend_whatever_it_is_called() {
        let untrusted =
            "SSL handshake failed: error:0A000086:SSL routines::certificate verify failed";
        let cut_off = "error:0A000126:SSL routines::unexpected eof while reading";
        let cases = [
            (Code::SSL, untrusted, Some(Code::SSL)),
            (Code::BrokerTransportFailure, untrusted, Some(Code::SSL)),
            // A broker that goes down does that too.
            (Code::BrokerTransportFailure, cut_off, None),
        ];
        for (code, reason, advised) in cases {
            let trouble = Trouble::default();
            note_error(&trouble, &KafkaError::Global(code), reason);
            note_error(
                &trouble,
                &KafkaError::Global(Code::AllBrokersDown),
                "1/1 are down",
            );
            assert_eq!(trouble.advice(), advised, "{code} {reason}");
        }
    }

    #[test]
    fn why_no_broker_answers_is_kept() {
        let cases: [(&[(Code, &str)], &str); 3] = [
            (&[(Code::AllBrokersDown, "1/1 down")], "1/1 down"),
            (
                &[
                    (Code::Resolve, "no such host"),
                    (Code::AllBrokersDown, "1/1 down"),
                ],
                "no such host",
            ),
            (
                &[
                    (Code::Resolve, "no such host"),
                    (Code::BrokerTransportFailure, "refused"),
                ],
                "refused",
            ),
        ];
        for (notes, kept) in cases {
            let trouble = Trouble::default();
            for (code, text) in notes {
                trouble.note(Some(*code), (*text).to_owned());
            }
            assert_eq!(trouble.last().map(|(_, text)| text).as_deref(), Some(kept));
        }
    }
}
