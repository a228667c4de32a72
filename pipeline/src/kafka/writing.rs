//! What all producers share.

use rdkafka::message::{Header, OwnedHeaders};

use crate::record::Outgoing;

/// The record's headers as the client library wants them; `None` for none.
pub(super) fn headers_of(record: &Outgoing) -> Option<OwnedHeaders> {
    if record.headers.is_empty() {
        return None;
    }
    let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
    for (key, value) in &record.headers {
        let value = Some(value.as_ref());
        headers = headers.insert(Header { key, value });
    }
    Some(headers)
}

/// Drops a client on a thread of its own: closing one waits for its threads.
pub(super) fn drop_aside<T: Send + 'static>(client: Option<T>) {
    let Some(client) = client else { return };
    let dropping = std::thread::Builder::new()
        .name("kafka-close".to_owned())
        .spawn(move || drop(client));
    if let Err(error) = dropping {
        tracing::warn!(%error, "no thread to close a client on; closed in place");
    }
}
