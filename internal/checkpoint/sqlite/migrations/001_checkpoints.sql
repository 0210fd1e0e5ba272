-- +goose Up
-- +goose StatementBegin

CREATE TABLE eventfeed_checkpoints (
    consumer TEXT    NOT NULL,
    feed_id  TEXT    NOT NULL,
    feed     TEXT    NOT NULL,
    url      TEXT    NOT NULL,   -- of the feed, without credentials
    epoch    TEXT    NOT NULL,
    position INTEGER NOT NULL CHECK (position >= 0),
    digest   BLOB    NOT NULL CHECK (length(digest) = 32),
    seed_end INTEGER NOT NULL,              -- last position of the history; what lies behind it is news
    skipped  INTEGER NOT NULL DEFAULT 0,    -- events that the sink had no use for
    left_out INTEGER NOT NULL DEFAULT 0,    -- events later than as_of
    generation       INTEGER NOT NULL DEFAULT 0, -- of a publisher, or that a consumer of its messages follows; 0: none, or not known yet
    generation_start INTEGER NOT NULL DEFAULT 0, -- position after which a publisher's generation began
    holder   TEXT    NOT NULL,   -- who may move it on
    updated  TEXT    NOT NULL,
    PRIMARY KEY (consumer, feed_id)
) WITHOUT ROWID;

-- Digests of what was applied, the closer together the later they are: they tell
-- where a history that was lost or replaced leaves the one that was applied. A
-- new one takes the place of an old one in its slot.
CREATE TABLE eventfeed_digests (
    consumer TEXT    NOT NULL,
    feed_id  TEXT    NOT NULL,
    slot     INTEGER NOT NULL,   -- by the position
    position INTEGER NOT NULL,
    epoch    TEXT    NOT NULL,   -- of the event at that position
    digest   BLOB    NOT NULL CHECK (length(digest) = 32),
    PRIMARY KEY (consumer, feed_id, slot)
) WITHOUT ROWID;

-- What all checkpoints of a consumer have in common.
CREATE TABLE eventfeed_consumers (
    consumer        TEXT NOT NULL PRIMARY KEY,
    sink            TEXT NOT NULL,              -- what applies its events: inbox, handler, projection, program, publisher
    keeps_events    INTEGER NOT NULL DEFAULT 0, -- as they came, so that they can be taken away again
    projection      TEXT NOT NULL DEFAULT '',   -- name of the file
    projection_hash BLOB,                       -- SHA-256 of its text
    setup_hash      BLOB,                       -- SHA-256 of its set-up
    schema          TEXT NOT NULL DEFAULT '',   -- always empty: SQLite has none
    time_zone       TEXT NOT NULL DEFAULT '',   -- that users' SQL and handlers run in
    publishes_to    TEXT NOT NULL DEFAULT '',   -- where a publisher sends the events
    as_of           TEXT,                       -- later events were left out
    held_by         TEXT NOT NULL DEFAULT '',   -- process that claimed it last
    held_since      TEXT NOT NULL
) WITHOUT ROWID;

-- Events of types that a projection had no block for. Of a feed with very many
-- such types the further ones are counted together.
CREATE TABLE eventfeed_skipped (
    consumer TEXT    NOT NULL,
    feed_id  TEXT    NOT NULL,
    type     TEXT    NOT NULL,
    events   INTEGER NOT NULL,
    PRIMARY KEY (consumer, feed_id, type)
) WITHOUT ROWID;

-- Who may write what is not a checkpoint, also before there is one.
CREATE TABLE eventfeed_holders (
    consumer TEXT NOT NULL PRIMARY KEY,
    holder   TEXT NOT NULL   -- as in its checkpoints
) WITHOUT ROWID;

-- Events that could not be applied, and those of their entities that came after.
CREATE TABLE eventfeed_parked (
    consumer TEXT    NOT NULL,
    feed_id  TEXT    NOT NULL,
    position INTEGER NOT NULL,
    feed     TEXT    NOT NULL,
    id       TEXT    NOT NULL,
    type     TEXT    NOT NULL,
    subject  TEXT    NOT NULL,             -- '' if the event is about no entity
    recorded TEXT,                         -- when it got its position; NULL if the feed does not say
    live     INTEGER NOT NULL,
    event    BLOB    NOT NULL,             -- in CloudEvents JSON
    error    TEXT    NOT NULL,             -- '' if it only waits for another event of its entity
    attempts INTEGER NOT NULL DEFAULT 1,   -- to apply it
    parked   TEXT    NOT NULL,
    PRIMARY KEY (consumer, feed_id, position)
) WITHOUT ROWID;
CREATE INDEX eventfeed_parked_failed ON eventfeed_parked (consumer, feed_id, position) WHERE error <> ''; -- for a seeder's page

-- What a consumer knows of a feed that is not eventfeed's own (RFC 5005): the
-- archives that it has come across, each with the one before it in the chain.
CREATE TABLE eventfeed_archives (
    consumer TEXT    NOT NULL,
    feed_id  TEXT    NOT NULL,
    number   INTEGER NOT NULL,           -- in the order in which they were found
    url      TEXT    NOT NULL,
    prev     TEXT    NOT NULL,           -- empty: it is the oldest
    hash     BLOB    NOT NULL CHECK (length(hash) = 32),
    applied  INTEGER NOT NULL DEFAULT 0, -- with all archives before it
    PRIMARY KEY (consumer, feed_id, url)
) WITHOUT ROWID;
CREATE UNIQUE INDEX eventfeed_archives_number ON eventfeed_archives (consumer, feed_id, number);
CREATE INDEX eventfeed_archives_prev ON eventfeed_archives (consumer, feed_id, prev);

-- The versions of its entries: when the latest one is of, and the one applied,
-- in microseconds since 1970.
CREATE TABLE eventfeed_entries (
    consumer TEXT    NOT NULL,
    feed_id  TEXT    NOT NULL,
    entry    TEXT    NOT NULL,
    latest   INTEGER NOT NULL,
    applied  INTEGER,          -- NULL: none of it
    content  INTEGER NOT NULL, -- a hash of the latest version; 0: it is not known
    archive  INTEGER NOT NULL, -- that holds the latest version; 0 for the feed's own document
    PRIMARY KEY (consumer, feed_id, entry)
) WITHOUT ROWID;
CREATE INDEX eventfeed_entries_pending ON eventfeed_entries (consumer, feed_id, archive) WHERE applied IS NOT latest;
-- +goose StatementEnd
