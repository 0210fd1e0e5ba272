#!/usr/bin/python3
"""The orders of the shop in Python: load, decide and append by SQL alone.

    orders.py postgres:///shop 17                                     shows order 17
    orders.py postgres:///shop 17 approve | pay | prepare | ship | deliver
    orders.py postgres:///shop 17 change-address '2 New Street'

It needs psycopg 3 (Debian: python3-psycopg), and a role with eventfeed_writer,
eventfeed_entities and the rights on the shop's own table.
"""

import json
import random
import sys
import time
from dataclasses import dataclass, field

import psycopg
from psycopg.errors import DeadlockDetected, SerializationFailure

FEED = "orders"
PAGE = 1000  # events that one call of eventfeed.load returns at most

# Snapshots of this program. Raise REVISION when apply changes: older ones are not used then.
SNAPSHOT, REVISION, SNAPSHOT_EVERY = "orders.py", "1", 100

STEPS = {  # command: what the order must be, what happens, what the order is then
    "approve": ("created", "OrderApproved", "approved"),
    "pay": ("approved", "OrderPaid", "paid"),
    "prepare": ("paid", "OrderPrepared", "prepared"),
    "ship": ("prepared", "OrderShipped", "shipped"),
    "deliver": ("shipped", "OrderDelivered", "delivered"),
}
STATUS = {event: status for _, event, status in STEPS.values()}


class Refused(Exception):
    """A command that the rules do not allow."""


def apply(order, event, data):
    """Return the order after an event. It refuses nothing: this has happened already."""
    if event == "OrderCreated":
        return {"customer": data["customer"], "address": data["address"], "total": data["total"], "status": "created"}
    if event == "AddressChanged":
        return order | {"address": data["address"]}
    if event in STATUS:
        return order | {"status": STATUS[event]}
    return order


def decide(order, command, *arguments):
    """Return the events that a command makes of an order, as pairs of type and data, or raise Refused."""
    if not order:
        raise Refused("there is no such order")
    if command == "change-address":
        (address,) = arguments
        if order["status"] in ("shipped", "delivered"):
            raise Refused(f"the order is {order['status']}: its address can no longer be changed")
        return [] if address == order["address"] else [("AddressChanged", {"address": address})]
    after, event, _ = STEPS[command]
    if order["status"] != after:
        raise Refused(f"the order is {order['status']}: it must be {after} for {event}")
    return [(event, {"address": order["address"]} if event == "OrderShipped" else None)]


@dataclass
class Entity:
    """An order as it was loaded: its state, and how it came about."""

    order: dict = field(default_factory=dict)
    version: int = 0
    last: tuple = ()  # id and source of the last event
    folded: int = 0  # events after the snapshot


def load(connection, subject):
    """Rebuild an order from its snapshot, if there is one, and the events after it."""
    e = Entity()
    while True:
        rows = connection.execute(
            "SELECT is_snapshot, version, id, source, type, data FROM eventfeed.load(%s, %s, %s, %s, after => %s, at_most => %s)",
            (FEED, subject, SNAPSHOT, REVISION, e.version, PAGE),
        ).fetchall()
        events = 0
        for is_snapshot, version, id, source, event, data in rows:
            e.version, e.last = version, (id, source)
            if is_snapshot:
                e.order = json.loads(data)
            else:
                e.order = apply(e.order, event, json.loads(data) if data else None)
                events += 1
        e.folded += events
        if events < PAGE:
            return e


def append(connection, subject, e, events):
    """Append events, if the order is still at the version at which it was loaded, and bring its row up to date."""
    order = e.order
    for event, data in events:
        order = apply(order, event, data)
    # The row before the events, as every program of the shop does: so no two wait for each other.
    connection.execute(
        "UPDATE orders SET address = %s, status = %s WHERE id = %s", (order["address"], order["status"], subject)
    )
    for done, (event, data) in enumerate(events):
        connection.execute(
            "SELECT eventfeed.append(%s, %s, %s, %s, expected_version => %s)",
            (FEED, event, subject, json.dumps(data) if data else None, e.version + done),
        )


def change(connection, subject, command, *arguments):
    """Load, decide and append in one transaction, and all of it again if another one was faster."""
    for attempt in range(30):
        try:
            with connection.transaction():
                # Who does it, as it is recorded with each event.
                connection.execute("SET LOCAL eventfeed.authtype = 'service_account'; SET LOCAL eventfeed.authid = 'orders.py'")
                e = load(connection, subject)
                append(connection, subject, e, decide(e.order, command, *arguments))
            return
        # 40001, which is a version conflict too, and 40P01: the transaction was rolled back.
        except (SerializationFailure, DeadlockDetected):
            time.sleep(random.uniform(0, 0.002 * 2 ** min(attempt, 7)))
    raise TimeoutError(f"order {subject}: another transaction was faster 30 times")


def show(connection, subject):
    """Print an order, and keep a snapshot if many events had to be folded."""
    e = load(connection, subject)
    print(f"order {subject} at version {e.version} (events folded: {e.folded}): {json.dumps(e.order)}")
    if e.folded >= SNAPSHOT_EVERY:
        connection.execute(
            "SELECT eventfeed.save_snapshot(%s, %s, %s, %s, %s, %s, %s, %s)",
            (FEED, subject, SNAPSHOT, REVISION, e.version, *e.last, json.dumps(e.order).encode()),
        )


def main(url, subject, *command):
    # autocommit: a transaction begins and ends where the program says so.
    with psycopg.connect(url, autocommit=True) as connection:
        if command:
            change(connection, subject, *command)
        show(connection, subject)


def is_command(command, *arguments):
    return len(arguments) == 0 if command in STEPS else command == "change-address" and len(arguments) == 1


if __name__ == "__main__":
    if len(sys.argv) < 3 or len(sys.argv) > 3 and not is_command(*sys.argv[3:]):
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except Refused as refusal:
        sys.exit(f"order {sys.argv[2]}: refused: {refusal}")
