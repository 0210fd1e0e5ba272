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
