-- +goose Up

-- What a consumer knows of a feed that is not eventfeed's own (RFC 5005): the
-- archives that it has come across, each with the one before it in the chain.
CREATE TABLE eventfeed_seed.archives (
    consumer text    NOT NULL,
    feed_id  text    NOT NULL,
    number   bigint  NOT NULL,               -- in the order in which they were found
    url      text    NOT NULL,
    prev     text    NOT NULL,               -- empty: it is the oldest
    hash     bytea   NOT NULL CHECK (octet_length(hash) = 32),
    applied  boolean NOT NULL DEFAULT false, -- with all archives before it
    PRIMARY KEY (consumer, feed_id, url)
);
CREATE UNIQUE INDEX archives_number ON eventfeed_seed.archives (consumer, feed_id, number);
CREATE INDEX archives_prev ON eventfeed_seed.archives (consumer, feed_id, prev);

-- The versions of its entries: when the latest one is of, and the one applied,
-- in microseconds since 1970.
CREATE TABLE eventfeed_seed.entries (
    consumer text   NOT NULL,
    feed_id  text   NOT NULL,
    entry    text   NOT NULL,
    latest   bigint NOT NULL,
    applied  bigint,          -- NULL: none of it
    content  bigint NOT NULL, -- a hash of the latest version; 0: it is not known
    archive  bigint NOT NULL, -- that holds the latest version; 0 for the feed's own document
    PRIMARY KEY (consumer, feed_id, entry)
);
CREATE INDEX entries_pending ON eventfeed_seed.entries (consumer, feed_id, archive) WHERE applied IS DISTINCT FROM latest;
