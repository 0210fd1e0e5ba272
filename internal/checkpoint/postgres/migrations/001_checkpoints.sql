-- +goose Up

CREATE TABLE eventfeed_seed.checkpoints (
    consumer text        NOT NULL,
    feed_id  text        NOT NULL,
    feed     text        NOT NULL,
    epoch    text        NOT NULL,
    position bigint      NOT NULL CHECK (position >= 0),
    digest   bytea       NOT NULL CHECK (octet_length(digest) = 32),
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
