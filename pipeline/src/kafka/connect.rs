//! The first contact of a client with its brokers.

use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::client::Client;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::metadata::Metadata;

/// librdkafka connects when it is asked for something, but a client that is asked in its first
/// milliseconds may miss that and look again only at its next one-second tick. Asked again, it looks
/// again.
const FIRST_WAIT: Duration = Duration::from_millis(30);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// All topics of a large cluster take longer to tell than one.
const LONGEST_WAIT_FOR_ALL: Duration = Duration::from_secs(5);

/// Waits until a broker is connected and tells about `topic` (none: about all), `limit` at most, or
/// until it is `hopeless`.
pub(super) fn connect<C: ClientContext>(
    client: &Client<C>,
    topic: Option<&str>,
    limit: Duration,
    hopeless: impl Fn() -> bool,
) -> KafkaResult<Metadata> {
    let begun = Instant::now();
    let mut wait = FIRST_WAIT;
    let longest = topic.map_or(LONGEST_WAIT_FOR_ALL, |_| LONGEST_WAIT);
    loop {
        let error = match client.fetch_metadata(topic, wait) {
            Ok(metadata) => return Ok(metadata),
            Err(error) => error,
        };
        let passing = matches!(
            error,
            KafkaError::MetadataFetch(
                Code::OperationTimedOut | Code::BrokerTransportFailure | Code::AllBrokersDown
            )
        );
        if !passing || begun.elapsed() > limit || hopeless() {
            return Err(error);
        }
        wait = (wait * 2).min(longest);
    }
}
