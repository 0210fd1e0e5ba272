"""Reads a stream from its first message on and writes a JSON object on a line for each message.

stream.py URL STREAM LAST

LAST is the last offset of the stream. That may be of a record of the broker's own, after the last
message.
"""

import base64
import json
import sys
import time

import pika

url, stream, last = sys.argv[1], sys.argv[2], int(sys.argv[3])
connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()
channel.basic_qos(prefetch_count=1000)
offset, read = -1, 0


def take(channel, method, properties, body):
    global offset, read
    headers = properties.headers
    offset = headers.pop("x-stream-offset")
    for name, value in headers.items():
        if not isinstance(value, str):
            sys.exit(f"header {name} is {type(value).__name__} {value!r}, not a string")
    json.dump(
        {
            "routing_key": method.routing_key,
            "headers": headers,
            "content_type": properties.content_type or "",
            "persistent": properties.delivery_mode == 2,
            "redelivered": method.redelivered,
            "body": base64.b64encode(body).decode(),
        },
        sys.stdout,
    )
    print()
    read += 1
    if read % 500 == 0:
        channel.basic_ack(method.delivery_tag, multiple=True)


channel.basic_consume(stream, take, arguments={"x-stream-offset": "first"})
seen, since = offset, time.monotonic()
while offset < last:
    connection.process_data_events(time_limit=1)
    if offset > seen:
        seen, since = offset, time.monotonic()
    elif offset == last - 1 and time.monotonic() > since + 3:
        break
    elif time.monotonic() > since + 60:
        sys.exit(f"no further message within 60 s, after offset {offset}")
sys.stdout.flush()
