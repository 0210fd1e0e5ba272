-- +goose Up

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
