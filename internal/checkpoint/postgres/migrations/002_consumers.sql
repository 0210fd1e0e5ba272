-- +goose Up

-- What all checkpoints of a consumer have in common.
CREATE TABLE eventfeed_seed.consumers (
    consumer        text        PRIMARY KEY,
    sink            text        NOT NULL,              -- what applies its events: inbox, handler, projection, program; '' if not known
    projection      text        NOT NULL DEFAULT '',   -- name of the file
    projection_hash bytea,                             -- SHA-256 of its text
    setup_hash      bytea,                             -- SHA-256 of its set-up
    schema          text        NOT NULL DEFAULT '',   -- where the projection's tables are
    time_zone       text        NOT NULL DEFAULT '',   -- that users' SQL and handlers run in
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

INSERT INTO eventfeed_seed.consumers (consumer, sink) SELECT DISTINCT consumer, '' FROM eventfeed_seed.checkpoints;

ALTER TABLE eventfeed_seed.checkpoints
    ADD url      text   NOT NULL DEFAULT '',   -- of the feed, without credentials
    ADD seed_end bigint NOT NULL DEFAULT 0,    -- last position of the history; what lies behind it is news
    ADD skipped  bigint NOT NULL DEFAULT 0,    -- events that the sink had no use for
    ADD left_out bigint NOT NULL DEFAULT 0;    -- events later than as_of

UPDATE eventfeed_seed.checkpoints SET seed_end = position;

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
