# Reads a stream of NATS JetStream from its first message to its last one, with nothing but a socket, and
# writes each message as a line of JSON.
#
#   read.py HOST:PORT STREAM
import base64, json, socket, sys, uuid

host, port = sys.argv[1].rsplit(":", 1)
stream = sys.argv[2]
inbox = "_INBOX.read-" + uuid.uuid4().hex
connection = socket.create_connection((host, int(port)), timeout=60)
lines = connection.makefile("rb", buffering=1 << 16)


def send(text):
    connection.sendall(text.encode())


def publish(subject, reply, body):
    send(f"PUB {subject} {reply} {len(body)}\r\n{body}\r\n")


def headers_of(block):
    first, *rest = block.decode("ascii").split("\r\n")
    assert first.startswith("NATS/1.0"), first
    headers = {}
    for line in rest:
        if line:
            name, value = line.split(":", 1)
            assert name not in headers, name
            headers[name] = value.removeprefix(" ")
    return first[len("NATS/1.0"):].strip(), headers


def messages():
    while True:
        words = lines.readline().decode("ascii").split()
        if not words:
            sys.exit("the server has closed the connection")
        if words[0] == "PING":
            send("PONG\r\n")
        elif words[0] == "-ERR":
            sys.exit(" ".join(words))
        elif words[0] in ("MSG", "HMSG"):
            total = int(words[-1])
            header_size = int(words[-2]) if words[0] == "HMSG" else 0
            content = lines.read(total)
            assert lines.read(2) == b"\r\n"
            reply = words[3] if len(words) == (6 if words[0] == "HMSG" else 5) else ""
            status, headers = headers_of(content[:header_size]) if header_size else ("", {})
            yield words[1], reply, status, headers, content[header_size:]


def ask(subject, body):
    publish(subject, inbox + ".answer", json.dumps(body))
    for message in received:
        if message[0] != inbox + ".answer":
            early.append(message)
            continue
        assert not message[2], message[2]
        answer = json.loads(message[4])
        if "error" in answer:
            sys.exit(str(answer["error"]))
        return answer


send('CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"lang":"python","version":"0"}\r\n')
# Not with a wildcard: the server looks for interest in the very subject before it delivers.
send(f"SUB {inbox}.answer 1\r\nSUB {inbox}.deliver 2\r\n")
received, early = messages(), []
state = ask(f"$JS.API.STREAM.INFO.{stream}", {})["state"]
left = state["messages"]
if left:
    consumer = {"deliver_subject": inbox + ".deliver", "deliver_policy": "all", "ack_policy": "none", "flow_control": True, "idle_heartbeat": 5_000_000_000}
    ask(f"$JS.API.CONSUMER.CREATE.{stream}", {"stream_name": stream, "config": consumer})
while left:
    subject, reply, status, headers, content = early.pop(0) if early else next(received)
    if status:  # a heartbeat, or flow control, which is to be answered
        if reply:
            publish(reply, "", "")
        continue
    sequence = int(reply.split(".")[-4])
    json.dump({"subject": subject, "sequence": sequence, "headers": headers, "body": base64.b64encode(content).decode()}, sys.stdout)
    print()
    left -= 1
