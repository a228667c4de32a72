"""Malformed records of all kinds to a topic, a number of times each kind; prints how many.

Arguments: bootstrap, topic, records. Keys are of all kinds too: good, foreign, absent, not UTF-8.
"""
import json
import sys
from confluent_kafka import Producer

bootstrap, topic, records = sys.argv[1], sys.argv[2], int(sys.argv[3])
producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "message.max.bytes": 4000000})
good = {
    "tenant": "garbage",
    "id": "g-1",
    "schedule": {"after": "1s"},
    "call": {"url": "http://127.0.0.1:1/never"},
}


def but(**changes):
    task = {**good, **changes}
    return json.dumps({k: v for k, v in task.items() if v is not ...}).encode()


kinds = [
    b"",
    None,
    b"\x00\x01\x02\xff\xfe",
    b"\xc3\x28 not utf-8",
    b"not json",
    b"{",
    b"[]",
    b"[{}]",
    b"null",
    b"42",
    b'"register"',
    b"{}",
    b'{"a":' * 5000 + b"1" + b"}" * 5000,
    json.dumps(good).encode()[:-3],
    json.dumps(good).encode() + b" trailing",
    but(tenant=...),
    but(id=...),
    but(schedule=...),
    but(call=...),
    but(tenant=""),
    but(tenant="Shop"),
    but(tenant="a/b"),
    but(tenant="t" * 65),
    but(tenant=7),
    but(id=""),
    but(id="two words"),
    but(id="line\nbreak"),
    but(id="i" * 257),
    but(id="a/b/c"),
    but(id=[]),
    but(op="explode"),
    but(op=1),
    but(schedule={}),
    but(schedule={"after": "soon"}),
    but(schedule={"after": "-5s"}),
    but(schedule={"after": "1s", "at": 5}),
    but(schedule={"at": "yesterday"}),
    but(schedule={"at": "2026-13-45T00:00:00Z"}),
    but(schedule={"at": 1e300}),
    but(schedule="1s"),
    but(call={}),
    but(call={"url": "not a url"}),
    but(call={"url": "ftp://example.com/"}),
    but(call={"url": "http://127.0.0.1:1/", "method": "NO SPACE"}),
    but(call={"url": "http://127.0.0.1:1/", "headers": {"bad name": "x"}}),
    but(call={"url": "http://127.0.0.1:1/", "headers": {"x": "a\r\nb: c"}}),
    but(call={"url": "http://127.0.0.1:1/", "hedaers": {}}),
    but(retry={"max_attempts": -1}),
    but(retry={"max_attempts": "many"}),
    but(priority="urgent"),
    but(tags="orders"),
    but(timeout="fast"),
    but(payload_base64="***"),
    but(payload=1, payload_base64="MQ=="),
    but(shedule={"after": "1s"}),
    but(if_version="one"),
]
keys = [b"garbage/g-1", b"some/other", None, b"\xff\xfe", b""]
failed = []


def delivered(error, _):
    if error is not None:
        failed.append(str(error))


for number in range(records):
    value = kinds[number % len(kinds)]
    key = keys[number % len(keys)]
    while True:
        try:
            producer.produce(topic, key=key, value=value, on_delivery=delivered)
            break
        except BufferError:
            producer.poll(1)
    producer.poll(0)
producer.flush()
if failed:
    sys.exit(f"{len(failed)} records were not delivered, the first: {failed[0]}")
print(json.dumps({"sent": records, "kinds": len(kinds)}))
