"""Many registrations, due far ahead, to a topic; prints how many and how long it took.

Arguments: bootstrap, topic, tenant, first number, how many, URL, days ahead (from, to).
"""
import json
import random
import sys
import time
from confluent_kafka import Producer

bootstrap, topic, tenant, first, count, url, days_from, days_to = sys.argv[1:]
producer = Producer(
    {
        "bootstrap.servers": bootstrap,
        "acks": "all",
        "partitioner": "murmur2_random",
        "linger.ms": 20,
        "compression.type": "lz4",
        "queue.buffering.max.messages": 500000,
    }
)
chance = random.Random(int(first))
now = int(time.time() * 1000)
day = 86_400_000
begun = time.monotonic()
failed = []


def delivered(error, _):
    if error is not None:
        failed.append(str(error))


for number in range(int(first), int(first) + int(count)):
    due = now + chance.randrange(int(float(days_from) * day), int(float(days_to) * day))
    value = (
        f'{{"tenant":"{tenant}","id":"b-{number}","schedule":{{"at":{due}}},'
        f'"call":{{"url":"{url}"}},"payload":{{"number":{number},"pad":"{"x" * 100}"}}}}'
    )
    while True:
        try:
            producer.produce(topic, key=f"{tenant}/b-{number}", value=value, on_delivery=delivered)
            break
        except BufferError:
            producer.poll(0.1)
    if number % 1000 == 0:
        producer.poll(0)
producer.flush()
if failed:
    sys.exit(f"{len(failed)} records were not delivered, the first: {failed[0]}")
print(json.dumps({"sent": int(count), "seconds": round(time.monotonic() - begun, 1)}))
