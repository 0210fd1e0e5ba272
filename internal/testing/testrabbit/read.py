"""Consumes a queue and writes a JSON object on a line for each message.

read.py URL QUEUE MESSAGES POSITION

It ends after MESSAGES messages, or after one whose position is POSITION or later. With 0 for both
it ends after the messages that the queue holds at the beginning.
"""

import base64
import json
import sys

import pika

url, queue, messages, position = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()
channel.basic_qos(prefetch_count=1000)
wanted = messages
if not messages and not position:
    wanted = channel.queue_declare(queue, passive=True).method.message_count
    if wanted == 0:
        sys.exit()

read = 0
for method, properties, body in channel.consume(queue, inactivity_timeout=60):
    if method is None:
        sys.exit(f"no further message within 60 s, after {read}")
    headers = properties.headers or {}
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
    last = read == wanted or (position and int(headers.get("cloudEvents:efposition", "0")) >= position)
    if last or read % 500 == 0:
        channel.basic_ack(method.delivery_tag, multiple=True)
    if last:
        break
sys.stdout.flush()
channel.cancel()
connection.close()
