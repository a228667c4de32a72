//! From what the client library says to what must be done about it.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::error::LogError;

/// One that restarts while its predecessor still runs looks the same, once.
pub(super) const TAKEN_OVER: &str = "another process took this member's name over; if this goes on, \
                                     two run with one name: give each its own `worker.member`";

/// Sorts an error by what must be done; `doing` says what was tried, lower case.
pub(super) fn sort(doing: &str, error: &KafkaError) -> LogError {
    match error {
        KafkaError::AdminOp(code) => by_code(doing, *code),
        KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_) | KafkaError::Nul(_) => {
            LogError::Config(format!("{doing}: {error}"))
        }
        _ => match error.rdkafka_error_code() {
            Some(code) => by_code(doing, code),
            None => LogError::Retry(format!("{doing}: {error}")),
        },
    }
}

/// [`sort`], by the code alone.
pub(super) fn by_code(doing: &str, code: Code) -> LogError {
    if let Some(advice) = advice(code) {
        return LogError::Config(format!("{doing}: {code} ({advice})"));
    }
    match code {
        Code::Fenced | Code::FencedInstanceId | Code::UnreleasedInstanceId => {
            LogError::Fatal(format!("{doing}: {code} ({TAKEN_OVER})"))
        }
        Code::Fatal | Code::AutoOffsetReset | Code::OffsetOutOfRange => {
            LogError::Fatal(format!("{doing}: {code}"))
        }
        Code::IllegalGeneration
        | Code::UnknownMemberId
        | Code::RebalanceInProgress
        | Code::StaleMemberEpoch => LogError::Aborted(format!("{doing}: {code}")),
        _ => LogError::Retry(format!("{doing}: {code}")),
    }
}

/// What a person should do about it, for what only a person can mend.
pub(super) fn advice(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition => {
            "run `tidewheel topics apply`, or check the topic prefix"
        }
        Code::TopicAuthorizationFailed => "grant this user Read, Write and Describe on the topics",
        Code::GroupAuthorizationFailed => "grant this user Read on the consumer groups",
        Code::TransactionalIdAuthorizationFailed => {
            "grant this user Write and Describe on the transactional ids"
        }
        Code::ClusterAuthorizationFailed => {
            "grant this user IdempotentWrite, and for `topics apply` Create and AlterConfigs"
        }
        Code::Authentication | Code::SaslAuthenticationFailed => {
            "check `kafka.sasl_username`, `kafka.sasl_password` and `kafka.sasl_mechanism`"
        }
        Code::SSL => {
            "check `kafka.ssl_ca` (the authorities to trust), `kafka.ssl_certificate` and \
             `kafka.ssl_key`, and that this port speaks `kafka.security_protocol`"
        }
        Code::InvalidSessionTimeout => {
            "kafka.session_timeout must lie within the brokers' group.min.session.timeout.ms and \
             group.max.session.timeout.ms"
        }
        Code::InvalidTransactionTimeout => {
            "kafka.transaction_timeout must not exceed the brokers' transaction.max.timeout.ms"
        }
        Code::UnsupportedVersion | Code::UnsupportedFeature => "Kafka 3.7 or later is needed",
        _ => return None,
    })
}
