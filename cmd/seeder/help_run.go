package main

// longRun is the help of seeder run: enough to do all that it can without
// another text.
const longRun = `Read feeds into a database: every event, in order, exactly once. A run begins
after the last event that is in, and ends at the end of the feed as it was when
the run began; with --follow it goes on until it is stopped. After a crash run
the same command again.

WHAT TAKES THE EVENTS
Without more said it is an inbox, a table with every event as it came:
eventfeed_inbox.events (PostgreSQL) or eventfeed_inbox_events (SQLite).

With --projection FILE they come into your own tables. FILE is SQL: first what
makes the tables, then blocks of statements, each for some types of events:

  CREATE TABLE shipments (order_id text PRIMARY KEY, status text NOT NULL);
  -- on OrderCreated
  INSERT INTO shipments VALUES (:subject, 'created');
  -- on OrderShipped, orders/OrderDelivered
  UPDATE shipments SET status = :data ->> 'status' WHERE order_id = :subject;
  -- on OrderPaid live
  INSERT INTO mails (order_id) VALUES (:subject);

Parameters: :feed :position :id :source :type :subject :time :dataschema :data
(JSON) :data_bytes :live. A block with "live" runs for news only: for what came
after the end that the feed had at the first run. All statements are checked
before anything is read. "seeder init --from URL" writes such a file to begin
with. Types without a block are counted and skipped, or refused with --strict; a
first run that would skip every event ends with status 1, unless there is
--allow-unmatched. A projection that has changed since the last run is refused:
build a new one beside the old, with --schema NAME (SQLite: into another file), or
go on with it by --accept-projection. --dry-run tries all of it out and rolls it
back.

With --exec COMMAND a program takes them, at least once and in order: CloudEvents
in JSON, one a line, on its standard input, with the members efposition, effeed
and eflive beside the event's own. It prints the position of what it has done,
one a line; with several feeds the feed in front, as in "orders 12". If it ends it
is started again. How far it got is kept in --into. It gets the environment without
EVENTFEED_… and what leads to the database's password; --exec-env NAME passes one of
these on. It is killed when the seeder is, and when the seeder loses its lock.

In the first two the events, and the checkpoint that says how far the database
is filled, are written in one transaction.

SEVERAL FEEDS
With --from A --from B … the histories are brought into one order, by the times
of events: each feed's own order stays, and next comes the feed whose next event
is the earliest. That goes up to the ends that the feeds have when the consumer
is begun, and a run that is broken off goes on in the same order. What is new
after that is applied as it comes: in order within each feed, in none between
them. A consumer's feeds stay the same; --add-feed lets it begin with one more.

WHERE TO STOP
--until POSITION stops there, with that event applied; a later run goes on. Where
the feed ends before it nothing is applied, unless with --follow, which waits.
--as-of TIME builds the state as of then: events with a later time are left out
and counted. Such a database is finished: nothing follows it.

EVENTS THAT CANNOT BE APPLIED
An event that a constraint or a conversion refuses (SQLSTATE 22…, 23…, P0001;
SQLite's constraint and mismatch) stops the run, with nothing of its transaction
applied. With --on-error park it is put aside in the database, and with it every
later event of its entity (the events of that feed with that subject); the others
go on. "seeder parked" lists them, "seeder retry" applies them in order once the
cause is mended. Any other error, such as a table that is missing, stops a run
in any case. What --exec does cannot be undone, so it cannot park.

FOLLOWING
With --follow the server is asked to hold each request until there is something
new, for up to --wait, and to send no more than that. Where a server or a cache
does not, the feed is looked at once a second. --wait 0 asks for neither, so
that a cache in front of the server can answer every request.

A server or a database that is away is waited for, as long as --patience: up to a
minute, and without end with --follow. So is a server or a cache that shows less
of a feed than was read already, where nothing differs from that. A document of a feed that is not served by
eventfeed, and is missing or half written, is given a minute to be whole, once the
seeder follows.

WHAT CAN BE SEEN OF IT
On a terminal a bar shows how far the run is: events, events a second, bytes,
pages, the time left. Elsewhere the log says so every few seconds, on standard
error. In the end a report stands on standard output: the events by type; how
many were applied, skipped (types without a block), left out (by --as-of) and
parked; the first and the last time; how long it took, and where the time went;
and each feed's position and digest. "seeder status" shows meanwhile, and from
anywhere, how far each consumer of the database is behind its feed.

With --listen a run answers at a private address: /healthz fails when a server or
the database has been away for a minute; /readyz until the history is in, and
while a feed is further behind than --max-lag; /metrics is for Prometheus,
/debug/pprof/ for go tool pprof.

OTHER FEEDS
A feed need not be served by eventfeed. Archived feeds (RFC 5005) are read from
their oldest archive on, and nothing is lost between two runs. Of paged, complete
and plain feeds, Atom or RSS, what they show is read, with a warning of what
cannot be promised. An entry becomes an event: id and subject are its id, type is
its first category, time is when it was updated, and data a JSON object of what
it says ("seeder init" shows which members). "seeder inspect URL" says what kind
a feed is.

WHO ASKS
--bearer-file, --header, and --client-certificate with --client-key say who you
are, to the feeds' own servers only. --allow-origin lets redirects and links lead
elsewhere. "seeder --help" says more, of proxies and of what is tried again, too.

Exit status 3: the feed does not add up, and what does not was not applied.
Exit status 4: another seeder holds the consumer.`
