//! Records out of librdkafka's memory.

use std::ffi::{CStr, c_char, c_void};
use std::ptr;

use bytes::{BufMut, Bytes, BytesMut};
use rdkafka::bindings as c;
use rdkafka::error::RDKafkaErrorCode as Code;
use schemas::Millis;

use super::Taken;
use crate::record::Record;

/// Copies a message out of librdkafka's memory.
///
/// # Safety
/// `message` must come from a consume call and not be destroyed yet.
pub(super) unsafe fn taken_from(message: &c::rd_kafka_message_t) -> Taken {
    let code = Code::from(message.err);
    match code {
        Code::NoError => {}
        Code::PartitionEOF => return Taken::End(message.offset),
        code => return Taken::Error(code),
    }
    // SAFETY: key and payload are null or point at that many bytes, alive as long as the message.
    let (key, value) = unsafe {
        (
            bytes_at(message.key.cast(), message.key_len),
            bytes_at(message.payload.cast(), message.len),
        )
    };
    // One allocation for both.
    let mut both = BytesMut::with_capacity(message.key_len + message.len);
    both.put_slice(key.unwrap_or_default());
    both.put_slice(value.unwrap_or_default());
    let mut both = both.freeze();
    let key_bytes = both.split_to(key.map_or(0, <[u8]>::len));
    // SAFETY: the message is alive, as promised by the caller.
    let (appended, headers) = unsafe {
        (
            c::rd_kafka_message_timestamp(message, ptr::null_mut()),
            headers_of(message),
        )
    };
    Taken::Record(Record {
        offset: message.offset,
        appended: Millis(appended),
        key: key.map(|_| key_bytes),
        value: value.map(|_| both),
        headers,
    })
}

/// # Safety
/// `at` is null or points at `len` bytes that outlive `'a`.
pub(super) unsafe fn bytes_at<'a>(at: *const u8, len: usize) -> Option<&'a [u8]> {
    if at.is_null() {
        None
    } else {
        // SAFETY: as promised by the caller.
        Some(unsafe { std::slice::from_raw_parts(at, len) })
    }
}

/// # Safety
/// `message` must be alive.
unsafe fn headers_of(message: *const c::rd_kafka_message_t) -> Vec<(String, Bytes)> {
    let mut headers = Vec::new();
    let mut list: *mut c::rd_kafka_headers_t = ptr::null_mut();
    // SAFETY: the message is alive and owns the list that is returned.
    let found = unsafe { c::rd_kafka_message_headers(message, &raw mut list) };
    if Code::from(found) != Code::NoError {
        return headers;
    }
    for index in 0.. {
        let mut name: *const c_char = ptr::null();
        let mut value: *const c_void = ptr::null();
        let mut size: usize = 0;
        // SAFETY: the list is alive; an index behind its end is answered by an error.
        let found = unsafe {
            c::rd_kafka_header_get_all(list, index, &raw mut name, &raw mut value, &raw mut size)
        };
        if Code::from(found) != Code::NoError {
            break;
        }
        // SAFETY: the name ends with a zero byte; the value is null or has `size` bytes; both belong
        // to the list.
        let (name, value) = unsafe {
            (
                CStr::from_ptr(name).to_string_lossy().into_owned(),
                bytes_at(value.cast(), size).unwrap_or_default(),
            )
        };
        headers.push((name, Bytes::copy_from_slice(value)));
    }
    headers
}
