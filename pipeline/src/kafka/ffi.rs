//! What the safe bindings do not offer, in the only unsafe code of the crate.
//!
//! - [`PartitionQueue`]: the queue of one partition, taken from in batches, with the offset at which
//!   the partition's end was reached (the bindings drop that offset, and hand out one record a call);
//! - [`GroupMetadata`]: with its generation, so that no turn is begun without one;
//! - [`commit_transaction`]: the plain call; the bindings' own waits in steps of 100 ms;
//! - [`ProducerTopic`]: a topic looked up once, not once a record;
//! - [`LogQueue`]: what a client logged by the time a call returned;
//! - [`positions`]: committed offsets whose notes need not be UTF-8.
#![expect(
    unsafe_code,
    reason = "librdkafka functions that rdkafka does not wrap; each use says why it is sound"
)]

mod record;
mod topic;

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use rdkafka::bindings as c;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafka;

use super::signal::Ready;
use crate::record::Record;
use record::{bytes_at, taken_from};
pub(super) use topic::ProducerTopic;

/// Most records taken by one call.
const CHUNK: usize = 1_024;

/// The queue of one partition of one consumer.
pub(super) struct PartitionQueue<C: ConsumerContext> {
    queue: NonNull<c::rd_kafka_queue_t>,
    /// Set by librdkafka's threads for as long as the queue's callback is on; dropped after it is off.
    ready: Arc<Ready>,
    /// The queue must not outlive its client.
    _consumer: Arc<BaseConsumer<C>>,
}

// SAFETY: librdkafka's queues may be used from any thread; the pointer is not shared outside of this
// value, whose methods that take records ask for `&mut self`.
unsafe impl<C: ConsumerContext> Send for PartitionQueue<C> {}

/// Something taken from a partition's queue.
pub(super) enum Taken {
    /// A record.
    Record(Record),
    /// The end was reached: the next fetch begins at this offset, everything visible below it was
    /// taken, transaction markers included.
    End(i64),
    /// Reading it failed.
    Error(Code),
}

impl<C: ConsumerContext> PartitionQueue<C> {
    /// Takes the partition's records out of the consumer's common queue. Call it before the partition
    /// is assigned, so that none is in there; `ready` is set whenever the queue becomes non-empty.
    pub(super) fn split(
        consumer: &Arc<BaseConsumer<C>>,
        topic: &CStr,
        partition: i32,
        ready: Arc<Ready>,
    ) -> Option<Self> {
        // SAFETY: the client is alive (`consumer` holds it) and `topic` ends with a zero byte.
        let queue = unsafe {
            c::rd_kafka_queue_get_partition(
                consumer.client().native_ptr(),
                topic.as_ptr(),
                partition,
            )
        };
        let queue = NonNull::new(queue)?;
        // SAFETY: the queue was just got and is alive. The opaque pointer is that of `ready`, which
        // the value made below keeps alive until `drop` has switched the callback off.
        unsafe {
            c::rd_kafka_queue_forward(queue.as_ptr(), ptr::null_mut());
            c::rd_kafka_queue_cb_event_enable(
                queue.as_ptr(),
                Some(on_ready),
                Arc::as_ptr(&ready).cast_mut().cast::<c_void>(),
            );
        }
        Some(Self {
            queue,
            ready,
            _consumer: Arc::clone(consumer),
        })
    }

    /// Whether something may have come since the last call.
    pub(super) fn is_ready(&self) -> bool {
        self.ready.take()
    }

    /// Says that something was left behind.
    pub(super) fn keep_ready(&self) {
        self.ready.keep();
    }

    /// Hands up to `most` of what is there to `each`, without waiting. Returns whether more may be
    /// there.
    pub(super) fn take(&mut self, most: usize, mut each: impl FnMut(Taken)) -> bool {
        let mut messages: [*mut c::rd_kafka_message_t; CHUNK] = [ptr::null_mut(); CHUNK];
        let mut left = most;
        while left > 0 {
            let want = left.min(CHUNK);
            // SAFETY: the array has room for `want` pointers and the queue is alive.
            let got = unsafe {
                c::rd_kafka_consume_batch_queue(self.queue.as_ptr(), 0, messages.as_mut_ptr(), want)
            };
            let got = usize::try_from(got).unwrap_or(0);
            for message in messages.iter().take(got) {
                // SAFETY: librdkafka filled the first `got` pointers with messages that are ours to
                // destroy; each is read, then destroyed once.
                let taken = unsafe {
                    let taken = taken_from(&**message);
                    c::rd_kafka_message_destroy(*message);
                    taken
                };
                each(taken);
            }
            if got < want {
                return false;
            }
            left -= got;
        }
        true
    }
}

impl<C: ConsumerContext> Drop for PartitionQueue<C> {
    fn drop(&mut self) {
        // SAFETY: the callback is switched off under the queue's lock, under which it also runs, so it
        // does not use `ready` after this; then our reference to the queue, which is alive, is given
        // back.
        unsafe {
            c::rd_kafka_queue_cb_event_enable(self.queue.as_ptr(), None, ptr::null_mut());
            c::rd_kafka_queue_destroy(self.queue.as_ptr());
        }
    }
}

/// librdkafka calls it when a queue becomes non-empty, from its threads, with the queue's lock held.
unsafe extern "C" fn on_ready(_: *mut c::rd_kafka_t, ready: *mut c_void) {
    // SAFETY: `ready` is the pointer given by `PartitionQueue::split`, alive while the callback is on.
    let ready = unsafe { &*ready.cast::<Ready>() };
    ready.set();
}

/// What a member of a group proves itself with, as it was when captured.
pub(super) struct GroupMetadata {
    metadata: NonNull<c::rd_kafka_consumer_group_metadata_t>,
}

// SAFETY: the metadata is never written to after it was made; every use takes `&self` and only reads.
unsafe impl Send for GroupMetadata {}
// SAFETY: as above.
unsafe impl Sync for GroupMetadata {}

impl GroupMetadata {
    /// As of now; `None` unless the consumer is a member with a generation. An empty member with
    /// generation -1 would be accepted unfenced by the broker.
    pub(super) fn capture<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> Option<Self> {
        // SAFETY: the client is alive; what is returned is ours to destroy.
        let metadata =
            unsafe { c::rd_kafka_consumer_group_metadata(consumer.client().native_ptr()) };
        let metadata = Self {
            metadata: NonNull::new(metadata)?,
        };
        (metadata.generation() >= 0 && metadata.has_member()).then_some(metadata)
    }

    /// Of a member that was never in a group.
    #[cfg(test)]
    pub(super) fn made_up(group: &CStr) -> Option<Self> {
        // SAFETY: the strings are alive for the call, which copies them; what is returned is ours to destroy.
        let metadata = unsafe {
            c::rd_kafka_consumer_group_metadata_new_with_genid(
                group.as_ptr(),
                1,
                c"member".as_ptr(),
                ptr::null(),
            )
        };
        NonNull::new(metadata).map(|metadata| Self { metadata })
    }

    pub(super) fn generation(&self) -> i32 {
        // SAFETY: the metadata is alive.
        unsafe { c::rd_kafka_consumer_group_metadata_generation_id(self.metadata.as_ptr()) }
    }

    fn has_member(&self) -> bool {
        // SAFETY: the metadata is alive and so is its member id, which ends with a zero byte.
        unsafe {
            let id = c::rd_kafka_consumer_group_metadata_member_id(self.metadata.as_ptr());
            !id.is_null() && !CStr::from_ptr(id).is_empty()
        }
    }
}

impl Drop for GroupMetadata {
    fn drop(&mut self) {
        // SAFETY: ours, destroyed once.
        unsafe { c::rd_kafka_consumer_group_metadata_destroy(self.metadata.as_ptr()) }
    }
}

/// Why a transactional call failed.
#[derive(Debug)]
pub(super) struct TransactionError {
    pub(super) code: Code,
    pub(super) text: String,
    /// This producer can never go on.
    pub(super) fatal: bool,
}

impl TransactionError {
    /// # Safety
    /// `error` is null or an error that is ours to destroy.
    unsafe fn check(error: *mut c::rd_kafka_error_t) -> Result<(), Self> {
        if error.is_null() {
            return Ok(());
        }
        // SAFETY: the error is alive until it is destroyed at the end, once.
        unsafe {
            let failure = Self {
                code: Code::from(c::rd_kafka_error_code(error)),
                text: CStr::from_ptr(c::rd_kafka_error_string(error))
                    .to_string_lossy()
                    .into_owned(),
                fatal: c::rd_kafka_error_is_fatal(error) != 0,
            };
            c::rd_kafka_error_destroy(error);
            Err(failure)
        }
    }
}

/// Adds positions to the transaction, fenced by `metadata`. Blocks, `timeout_ms` at most as a rule, but
/// librdkafka may forget to come back.
pub(super) fn send_offsets(
    producer: &rdkafka::client::NativeClient,
    positions: &TopicPartitionList,
    metadata: &GroupMetadata,
    timeout_ms: i32,
) -> Result<(), TransactionError> {
    // SAFETY: client, list and metadata are alive for the call, which copies what it keeps.
    unsafe {
        TransactionError::check(c::rd_kafka_send_offsets_to_transaction(
            producer.ptr(),
            positions.ptr(),
            metadata.metadata.as_ptr(),
            timeout_ms,
        ))
    }
}

/// Flushes and commits. Blocks, `timeout_ms` at most. Another thread must serve the producer's events
/// meanwhile, or failed deliveries are never noticed.
pub(super) fn commit_transaction(
    producer: &rdkafka::client::NativeClient,
    timeout_ms: i32,
) -> Result<(), TransactionError> {
    // SAFETY: the client is alive.
    unsafe { TransactionError::check(c::rd_kafka_commit_transaction(producer.ptr(), timeout_ms)) }
}

/// What one client logs, in place of its main queue. A line that was logged before a call returned is
/// in here by then.
pub(super) struct LogQueue {
    queue: NonNull<c::rd_kafka_queue_t>,
}

// SAFETY: librdkafka's queues may be used from any thread.
unsafe impl Send for LogQueue {}

impl LogQueue {
    /// Redirects what `client` logs. Drop it before the client.
    pub(super) fn redirect(client: &rdkafka::client::NativeClient) -> Option<Self> {
        let client: *mut RDKafka = client.ptr();
        // SAFETY: the client is alive; the queue returned is ours to destroy.
        let queue = NonNull::new(unsafe { c::rd_kafka_queue_new(client) })?;
        // SAFETY: client and queue are alive; the client takes a reference of its own.
        let set = unsafe { c::rd_kafka_set_log_queue(client, queue.as_ptr()) };
        let queue = Self { queue };
        (Code::from(set) == Code::NoError).then_some(queue)
    }

    /// Hands every line there is to `each`: syslog level, facility, text.
    pub(super) fn drain(&self, mut each: impl FnMut(i32, &str, &str)) {
        loop {
            // SAFETY: the queue is alive; the event returned is null or ours to destroy.
            let event = unsafe { c::rd_kafka_queue_poll(self.queue.as_ptr(), 0) };
            if event.is_null() {
                return;
            }
            let mut facility: *const c_char = ptr::null();
            let mut text: *const c_char = ptr::null();
            let mut level: c_int = 0;
            // SAFETY: the event is alive; on success both strings belong to it and end with a zero
            // byte; it is destroyed once, after their last use.
            unsafe {
                let is_log =
                    c::rd_kafka_event_log(event, &raw mut facility, &raw mut text, &raw mut level);
                if is_log == 0 && !facility.is_null() && !text.is_null() {
                    each(
                        level,
                        &CStr::from_ptr(facility).to_string_lossy(),
                        &CStr::from_ptr(text).to_string_lossy(),
                    );
                }
                c::rd_kafka_event_destroy(event);
            }
        }
    }
}

impl Drop for LogQueue {
    fn drop(&mut self) {
        // SAFETY: ours, destroyed once.
        unsafe { c::rd_kafka_queue_destroy(self.queue.as_ptr()) }
    }
}

/// One element of a list of partitions, as librdkafka filled it.
#[derive(Debug)]
pub(super) struct Element {
    /// Full topic name.
    pub(super) topic: String,
    pub(super) partition: i32,
    /// Negative where there is none.
    pub(super) offset: i64,
    /// What was committed beside it, whoever wrote it.
    pub(super) note: Vec<u8>,
    pub(super) error: Code,
}

/// The elements of `list`. The bindings' own accessor panics on a note that is not UTF-8.
pub(super) fn positions(list: &TopicPartitionList) -> Vec<Element> {
    // SAFETY: the list is alive; it has `cnt` elements in an array; each topic ends with a zero byte
    // and each note is null or has that many bytes.
    unsafe {
        let raw = &*list.ptr();
        let count = usize::try_from(raw.cnt).unwrap_or(0);
        (0..count)
            .map(|index| {
                let element = &*raw.elems.add(index);
                Element {
                    topic: CStr::from_ptr(element.topic).to_string_lossy().into_owned(),
                    partition: element.partition,
                    offset: element.offset,
                    note: bytes_at(element.metadata.cast(), element.metadata_size)
                        .unwrap_or_default()
                        .to_vec(),
                    error: Code::from(element.err),
                }
            })
            .collect()
    }
}
