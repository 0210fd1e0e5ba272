-- +goose Up

-- What all checkpoints of a consumer have in common.
CREATE TABLE eventfeed_consumers (
    consumer        TEXT NOT NULL PRIMARY KEY,
    sink            TEXT NOT NULL,              -- what applies its events: inbox, handler, projection, program; '' if not known
    projection      TEXT NOT NULL DEFAULT '',   -- name of the file
    projection_hash BLOB,                       -- SHA-256 of its text
    setup_hash      BLOB,                       -- SHA-256 of its set-up
    schema          TEXT NOT NULL DEFAULT '',   -- always empty: SQLite has none
    time_zone       TEXT NOT NULL DEFAULT '',   -- that users' SQL and handlers run in
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

INSERT INTO eventfeed_consumers (consumer, sink, held_since) SELECT consumer, '', max(updated) FROM eventfeed_checkpoints GROUP BY consumer;

ALTER TABLE eventfeed_checkpoints ADD url      TEXT    NOT NULL DEFAULT '';   -- of the feed, without credentials
ALTER TABLE eventfeed_checkpoints ADD seed_end INTEGER NOT NULL DEFAULT 0;    -- last position of the history; what lies behind it is news
ALTER TABLE eventfeed_checkpoints ADD skipped  INTEGER NOT NULL DEFAULT 0;    -- events that the sink had no use for
ALTER TABLE eventfeed_checkpoints ADD left_out INTEGER NOT NULL DEFAULT 0;    -- events later than as_of

UPDATE eventfeed_checkpoints SET seed_end = position;

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
