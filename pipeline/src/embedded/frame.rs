//! What stands in a segment file, byte for byte.
//!
//! A segment is [`MAGIC`], then frames. A frame is written at once and is valid as a whole or not at
//! all: payload length (u32), zero (u32), xxh3 of the payload seeded with the sequence number (u64),
//! sequence number (u64, one more than the frame before it), payload. All integers are little endian.
//!
//! A payload is a row of [`Item`]s, each behind a tag byte. The first frame of every segment tells the
//! whole small state (starts, ends, positions), so that any older segment without live blocks may go.

use bytes::Bytes;
use schemas::{Millis, Role};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::bytewise::{
    Bytewise, put_at, put_bytes, put_i64, put_optional, put_varint, role_code, role_of,
};
use crate::record::{Position, Record, TopicPartition};

/// First bytes of every segment file; the digit is the version of the format.
pub(super) const MAGIC: &[u8; 16] = b"tidewheel log 1\n";
/// Bytes before a frame's payload.
pub(super) const FRAME_HEAD: usize = 24;
/// A block is cut before it gets longer than this, so that reading one stays cheap.
pub(super) const BLOCK_BYTES: usize = 256 * 1024;

const TAG_BLOCK: u8 = 1;
const TAG_POSITION: u8 = 2;
const TAG_START: u8 = 3;
const TAG_PARTITION: u8 = 4;
const TAG_SHARDS: u8 = 5;

/// Some records of one partition. It takes the place of every earlier block within its span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockHead {
    /// Whose.
    pub(super) of: TopicPartition,
    /// First offset of the span.
    pub(super) first: i64,
    /// First offset behind the span; records may be missing in between, where compaction took them.
    pub(super) end: i64,
    /// When the youngest record of the span was appended.
    pub(super) last_time: Millis,
    /// Length of the body.
    pub(super) len: u32,
}

/// One thing a frame says.
#[derive(Debug, PartialEq)]
pub(super) enum Item {
    /// Records; the body stands at this place in the payload.
    Block(BlockHead, usize),
    /// A role has come so far.
    Position(Role, TopicPartition, Position),
    /// Records below this are gone.
    Start(TopicPartition, i64),
    /// A partition as it stood when the segment began.
    Partition(TopicPartition, Extent),
    /// How many partitions every topic has.
    Shards(u16),
}

/// The outline of a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    /// First offset still there.
    pub(super) start: i64,
    /// The offset the next record gets.
    pub(super) end: i64,
    /// When the last record was appended.
    pub(super) last_time: Millis,
}

/// A frame being put together.
#[derive(Debug)]
pub(super) struct FrameWriter {
    buf: Vec<u8>,
}

impl FrameWriter {
    pub(super) fn new() -> Self {
        Self {
            buf: vec![0; FRAME_HEAD],
        }
    }

    /// Starts over, keeping the memory unless one giant frame blew it up.
    pub(super) fn clear(&mut self) {
        self.buf.truncate(FRAME_HEAD);
        self.buf.shrink_to(4 << 20);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.buf.len() == FRAME_HEAD
    }

    /// Adds a block; tells where in the frame its body stands.
    pub(super) fn block(&mut self, head: &BlockHead, body: &[u8]) -> usize {
        self.buf.push(TAG_BLOCK);
        put_at(&mut self.buf, head.of);
        put_i64(&mut self.buf, head.first);
        put_i64(&mut self.buf, head.end);
        put_i64(&mut self.buf, head.last_time.0);
        self.buf.extend(head.len.to_le_bytes());
        let body_at = self.buf.len();
        self.buf.extend(body);
        body_at
    }

    pub(super) fn position(&mut self, role: Role, of: TopicPartition, position: &Position) {
        self.buf.push(TAG_POSITION);
        self.buf.push(role_code(role));
        put_at(&mut self.buf, of);
        put_i64(&mut self.buf, position.offset);
        put_bytes(&mut self.buf, position.note.as_bytes());
    }

    pub(super) fn start(&mut self, of: TopicPartition, start: i64) {
        self.buf.push(TAG_START);
        put_at(&mut self.buf, of);
        put_i64(&mut self.buf, start);
    }

    pub(super) fn partition(&mut self, of: TopicPartition, extent: Extent) {
        self.buf.push(TAG_PARTITION);
        put_at(&mut self.buf, of);
        put_i64(&mut self.buf, extent.start);
        put_i64(&mut self.buf, extent.end);
        put_i64(&mut self.buf, extent.last_time.0);
    }

    pub(super) fn shards(&mut self, count: u16) {
        self.buf.push(TAG_SHARDS);
        self.buf.extend(count.to_le_bytes());
    }

    /// The whole frame, ready to be written.
    pub(super) fn finish(&mut self, sequence: u64) -> &[u8] {
        let (head, payload) = self.buf.split_at_mut(FRAME_HEAD);
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        head[..4].copy_from_slice(&length.to_le_bytes());
        head[8..16].copy_from_slice(&xxh3_64_with_seed(payload, sequence).to_le_bytes());
        head[16..].copy_from_slice(&sequence.to_le_bytes());
        &self.buf
    }
}

/// Length of the payload and sequence number of a frame, by its head.
pub(super) fn frame_head(head: &[u8; FRAME_HEAD]) -> (usize, u64) {
    let mut bytes = Bytewise(head);
    let length = bytes.u32().unwrap_or(0);
    let sequence = u64::from_le_bytes([
        head[16], head[17], head[18], head[19], head[20], head[21], head[22], head[23],
    ]);
    (usize::try_from(length).unwrap_or(usize::MAX), sequence)
}

/// Whether `payload` is what was written behind `head`.
pub(super) fn is_whole(head: &[u8; FRAME_HEAD], payload: &[u8]) -> bool {
    let (length, sequence) = frame_head(head);
    payload.len() == length && head[8..16] == xxh3_64_with_seed(payload, sequence).to_le_bytes()
}

/// The items of a payload; `None` where it is not understood.
pub(super) fn items(payload: &[u8]) -> Option<Vec<Item>> {
    let mut items = Vec::new();
    let mut rest = Bytewise(payload);
    while let Some(tag) = rest.u8() {
        items.push(match tag {
            TAG_BLOCK => {
                let head = BlockHead {
                    of: rest.at()?,
                    first: rest.i64()?,
                    end: rest.i64()?,
                    last_time: Millis(rest.i64()?),
                    len: rest.u32()?,
                };
                let body_at = payload.len() - rest.0.len();
                let _body = rest.take(usize::try_from(head.len).ok()?)?;
                Item::Block(head, body_at)
            }
            TAG_POSITION => {
                let role = role_of(rest.u8()?)?;
                let of = rest.at()?;
                let offset = rest.i64()?;
                let note = String::from_utf8(rest.bytes()?.to_vec()).ok()?;
                Item::Position(role, of, Position { offset, note })
            }
            TAG_START => Item::Start(rest.at()?, rest.i64()?),
            TAG_PARTITION => Item::Partition(
                rest.at()?,
                Extent {
                    start: rest.i64()?,
                    end: rest.i64()?,
                    last_time: Millis(rest.i64()?),
                },
            ),
            TAG_SHARDS => Item::Shards(rest.u16()?),
            _ => return None,
        });
    }
    Some(items)
}

/// Adds a record to the body of a block that begins at `first`.
pub(super) fn put_record(body: &mut Vec<u8>, first: i64, record: &Record) {
    put_varint(body, record.offset.wrapping_sub(first).cast_unsigned());
    put_varint(body, record.appended.0.cast_unsigned());
    put_optional(body, record.key.as_ref());
    put_optional(body, record.value.as_ref());
    put_varint(body, record.headers.len() as u64);
    for (name, value) in &record.headers {
        put_bytes(body, name.as_bytes());
        put_bytes(body, value);
    }
}

/// The records of the body of a block that begins at `first`, each in memory of its own: one that is
/// kept for long keeps nothing else. `None` where it is not understood.
pub(super) fn records(first: i64, body: &[u8]) -> Option<Vec<Record>> {
    let mut records = Vec::new();
    let mut rest = Bytewise(body);
    while !rest.0.is_empty() {
        let offset = first.wrapping_add(rest.varint()?.cast_signed());
        let appended = Millis(rest.varint()?.cast_signed());
        let key = rest.optional()?;
        let value = rest.optional()?;
        let count = rest.varint()?;
        let mut headers = Vec::new();
        for _ in 0..count {
            let name = String::from_utf8(rest.bytes()?.to_vec()).ok()?;
            headers.push((name, Bytes::copy_from_slice(rest.bytes()?)));
        }
        records.push(Record {
            offset,
            appended,
            key,
            value,
            headers,
        });
    }
    Some(records)
}

#[cfg(test)]
mod tests {
    use schemas::{Shard, Topic};

    use super::*;

    #[test]
    fn a_frame_reads_back_as_it_was_written_and_no_flipped_bit_passes() {
        let of = TopicPartition::new(Topic::Index, Shard(3));
        let record = |offset, key: Option<&'static str>, value: Option<&'static str>| Record {
            offset,
            appended: Millis(1_796_086_800_000 + offset),
            key: key.map(Bytes::from),
            value: value.map(Bytes::from),
            headers: vec![("h".to_owned(), Bytes::from_static(b"\0\xff"))],
        };
        let sent = vec![
            record(1_000, Some("k"), Some("v")),
            record(1_001, None, Some("")),
            record(1_300, Some("k"), None),
        ];
        let mut body = Vec::new();
        for it in &sent {
            put_record(&mut body, 1_000, it);
        }
        let head = BlockHead {
            of,
            first: 1_000,
            end: 1_400,
            last_time: Millis(5),
            len: u32::try_from(body.len()).unwrap(),
        };
        let extent = Extent {
            start: -1,
            end: i64::MAX,
            last_time: Millis(7),
        };
        let position = Position {
            offset: 9,
            note: "a note".to_owned(),
        };
        let mut writer = FrameWriter::new();
        writer.shards(8);
        writer.partition(of, extent);
        let body_at = writer.block(&head, &body);
        writer.position(Role::Trigger, of, &position);
        writer.start(of, 12);
        let mut frame = writer.finish(77).to_vec();

        let mut frame_start = [0; FRAME_HEAD];
        frame_start.copy_from_slice(&frame[..FRAME_HEAD]);
        assert_eq!(frame_head(&frame_start), (frame.len() - FRAME_HEAD, 77));
        assert!(is_whole(&frame_start, &frame[FRAME_HEAD..]));
        assert_eq!(
            items(&frame[FRAME_HEAD..]),
            Some(vec![
                Item::Shards(8),
                Item::Partition(of, extent),
                Item::Block(head, body_at - FRAME_HEAD),
                Item::Position(Role::Trigger, of, position),
                Item::Start(of, 12),
            ])
        );
        assert_eq!(
            records(1_000, &frame[body_at..body_at + body.len()]),
            Some(sent)
        );

        for at in FRAME_HEAD..frame.len() {
            frame[at] ^= 0x10;
            assert!(!is_whole(&frame_start, &frame[FRAME_HEAD..]), "byte {at}");
            frame[at] ^= 0x10;
        }
    }
}
