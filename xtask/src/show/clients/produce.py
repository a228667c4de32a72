"""Lines `key|value` from stdin to a topic, with Confluent's client and its default partitioner.

Arguments: bootstrap, topic.
"""
import sys
from confluent_kafka import Producer

bootstrap, topic = sys.argv[1:]
producer = Producer({"bootstrap.servers": bootstrap, "acks": "all"})
failed = []


def delivered(error, _):
    if error is not None:
        failed.append(str(error))


for line in sys.stdin.buffer:
    key, value = line.rstrip(b"\n").split(b"|", 1)
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
