-- +goose Up

CREATE TABLE eventfeed_seed.checkpoints (
    consumer text        NOT NULL,
    feed_id  text        NOT NULL,
    feed     text        NOT NULL,
    url      text        NOT NULL,   -- of the feed, without credentials
    epoch    text        NOT NULL,
    position bigint      NOT NULL CHECK (position >= 0),
    digest   bytea       NOT NULL CHECK (octet_length(digest) = 32),
    seed_end bigint      NOT NULL,              -- last position of the history; what lies behind it is news
    skipped  bigint      NOT NULL DEFAULT 0,    -- events that the sink had no use for
    left_out bigint      NOT NULL DEFAULT 0,    -- events later than as_of
    generation       bigint NOT NULL DEFAULT 0, -- of a publisher, or that a consumer of its messages follows; 0: none, or not known yet
    generation_start bigint NOT NULL DEFAULT 0, -- position after which a publisher's generation began
    holder   text        NOT NULL,   -- who may move it on
    updated  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, feed_id)
);

-- Digests of what was applied, the closer together the later they are: they tell
-- where a history that was lost or replaced leaves the one that was applied. A
-- new one takes the place of an old one in its slot.
CREATE TABLE eventfeed_seed.digests (
    consumer text   NOT NULL,
    feed_id  text   NOT NULL,
    slot     bigint NOT NULL,   -- by the position
    position bigint NOT NULL,
    epoch    text   NOT NULL,   -- of the event at that position
    digest   bytea  NOT NULL CHECK (octet_length(digest) = 32),
    PRIMARY KEY (consumer, feed_id, slot)
) WITH (fillfactor = 50);       -- rows are written over and over

-- What all checkpoints of a consumer have in common.
CREATE TABLE eventfeed_seed.consumers (
    consumer        text        PRIMARY KEY,
    sink            text        NOT NULL,              -- what applies its events: inbox, handler, projection, program, publisher
    keeps_events    boolean     NOT NULL DEFAULT false, -- as they came, so that they can be taken away again
    projection      text        NOT NULL DEFAULT '',   -- name of the file
    projection_hash bytea,                             -- SHA-256 of its text
    setup_hash      bytea,                             -- SHA-256 of its set-up
    schema          text        NOT NULL DEFAULT '',   -- where the projection's tables are
    time_zone       text        NOT NULL DEFAULT '',   -- that users' SQL and handlers run in
    publishes_to    text        NOT NULL DEFAULT '',   -- where a publisher sends the events
    as_of           timestamptz,                       -- later events were left out
    held_by         text        NOT NULL DEFAULT '',   -- process that claimed it last
    held_since      timestamptz NOT NULL DEFAULT now()
);

-- Events of types that a projection had no block for. Of a feed with very many
-- such types the further ones are counted together.
CREATE TABLE eventfeed_seed.skipped (
    consumer text   NOT NULL,
    feed_id  text   NOT NULL,
    type     bytea  NOT NULL,   -- in UTF-8, which the database's own encoding need not hold
    events   bigint NOT NULL,
    PRIMARY KEY (consumer, feed_id, type)
);

-- Who may write what is not a checkpoint, also before there is one.
CREATE TABLE eventfeed_seed.holders (
    consumer text PRIMARY KEY,
    holder   text NOT NULL   -- as in its checkpoints
);

-- Events that could not be applied, and those of their entities that came after.
CREATE TABLE eventfeed_seed.parked (
    consumer text        NOT NULL,
    feed_id  text        NOT NULL,
    position bigint      NOT NULL,
    feed     text        NOT NULL,
    id       text        NOT NULL,
    type     text        NOT NULL,
    subject  text        NOT NULL,             -- '' if the event is about no entity
    recorded timestamptz,                      -- when it got its position; NULL if the feed does not say
    live     boolean     NOT NULL,
    event    bytea       NOT NULL,             -- in CloudEvents JSON
    error    text        NOT NULL,             -- '' if it only waits for another event of its entity
    attempts integer     NOT NULL DEFAULT 1,   -- to apply it
    parked   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, feed_id, position)
);
CREATE INDEX parked_failed ON eventfeed_seed.parked (consumer, feed_id, position) WHERE error <> ''; -- for a seeder's page

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
