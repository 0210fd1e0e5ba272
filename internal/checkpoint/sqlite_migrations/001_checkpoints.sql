-- +goose Up

CREATE TABLE eventfeed_checkpoints (
    consumer TEXT    NOT NULL,
    feed_id  TEXT    NOT NULL,
    feed     TEXT    NOT NULL,
    epoch    TEXT    NOT NULL,
    position INTEGER NOT NULL CHECK (position >= 0),
    digest   BLOB    NOT NULL CHECK (length(digest) = 32),
    holder   TEXT    NOT NULL,   -- who may move it on
    updated  TEXT    NOT NULL,
    PRIMARY KEY (consumer, feed_id)
) WITHOUT ROWID;
