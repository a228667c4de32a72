//! Writing to a topic that was looked up once.

use std::ffi::{CStr, CString, c_void};
use std::ptr::{self, NonNull};

use bytes::Bytes;
use rdkafka::bindings::{
    self as c, rd_kafka_vtype_t as Kind, rd_kafka_vu_s__bindgen_ty_1 as Field,
    rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 as Memory,
    rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_2 as HeaderField,
};
use rdkafka::client::NativeClient;
use rdkafka::error::RDKafkaErrorCode as Code;

use super::TransactionError;

/// A topic of one producer. Drop it before the producer.
pub(in crate::kafka) struct ProducerTopic {
    topic: NonNull<c::rd_kafka_topic_t>,
}

// SAFETY: librdkafka's topics may be used from any thread.
unsafe impl Send for ProducerTopic {}

impl ProducerTopic {
    /// The topic called `name`; `None` where librdkafka has no room for it.
    pub(in crate::kafka) fn open(producer: &NativeClient, name: &CStr) -> Option<Self> {
        // SAFETY: the client is alive and `name` ends with a zero byte; no configuration is given.
        let topic =
            unsafe { c::rd_kafka_topic_new(producer.ptr(), name.as_ptr(), ptr::null_mut()) };
        NonNull::new(topic).map(|topic| Self { topic })
    }

    /// Queues a record, copying what it is given.
    pub(in crate::kafka) fn send(
        &self,
        partition: i32,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<(), Code> {
        let (value, value_size) = parts(value);
        let (key, key_size) = parts(key);
        // SAFETY: the topic is alive; key and value are null or point at that many bytes, which are
        // copied before the call returns; no opaque pointer is given.
        unsafe {
            let sent = c::rd_kafka_produce(
                self.topic.as_ptr(),
                partition,
                c::RD_KAFKA_MSG_F_COPY,
                value.cast_mut(),
                value_size,
                key,
                key_size,
                ptr::null_mut(),
            );
            if sent == 0 {
                Ok(())
            } else {
                Err(Code::from(c::rd_kafka_last_error()))
            }
        }
    }

    /// As [`ProducerTopic::send`], with headers.
    pub(in crate::kafka) fn send_with(
        &self,
        producer: &NativeClient,
        partition: i32,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(String, Bytes)],
    ) -> Result<(), Code> {
        let names: Vec<CString> = headers
            .iter()
            .map(|(name, _)| CString::new(name.as_str()))
            .collect::<Result<_, _>>()
            .map_err(|_| Code::InvalidArgument)?;
        let memory = |bytes: Option<&[u8]>| {
            let (ptr, size) = parts(bytes);
            let ptr = ptr.cast_mut();
            Field {
                mem: Memory { ptr, size },
            }
        };
        let mut told = vec![
            of(
                Kind::RD_KAFKA_VTYPE_RKT,
                Field {
                    rkt: self.topic.as_ptr(),
                },
            ),
            of(Kind::RD_KAFKA_VTYPE_PARTITION, Field { i32_: partition }),
            of(
                Kind::RD_KAFKA_VTYPE_MSGFLAGS,
                Field {
                    i: c::RD_KAFKA_MSG_F_COPY,
                },
            ),
            of(Kind::RD_KAFKA_VTYPE_VALUE, memory(value)),
            of(Kind::RD_KAFKA_VTYPE_KEY, memory(key)),
        ];
        for (name, (_, value)) in names.iter().zip(headers) {
            let header = HeaderField {
                name: name.as_ptr(),
                val: value.as_ptr().cast(),
                size: isize::try_from(value.len()).map_err(|_| Code::MessageSizeTooLarge)?,
            };
            told.push(of(Kind::RD_KAFKA_VTYPE_HEADER, Field { header }));
        }
        // SAFETY: client and topic are alive, and the topic is the client's; each part is of the kind
        // it is marked as; key, value and headers are null or point at that many bytes, names end
        // with a zero byte, and all of it is copied before the call returns.
        unsafe {
            TransactionError::check(c::rd_kafka_produceva(
                producer.ptr(),
                told.as_ptr(),
                told.len(),
            ))
        }
        .map_err(|error| error.code)
    }
}

fn of(vtype: Kind, u: Field) -> c::rd_kafka_vu_t {
    c::rd_kafka_vu_t { vtype, u }
}

impl Drop for ProducerTopic {
    fn drop(&mut self) {
        // SAFETY: ours, given back once.
        unsafe { c::rd_kafka_topic_destroy(self.topic.as_ptr()) }
    }
}

/// Null for none.
fn parts(bytes: Option<&[u8]>) -> (*const c_void, usize) {
    bytes.map_or((ptr::null(), 0), |bytes| {
        (bytes.as_ptr().cast(), bytes.len())
    })
}
