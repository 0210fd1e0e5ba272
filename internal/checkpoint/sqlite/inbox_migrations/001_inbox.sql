-- +goose Up
-- +goose StatementBegin

-- Every event as it came. NULL stands for an attribute, or data, that is not there.
CREATE TABLE eventfeed_inbox_events (
    consumer        TEXT    NOT NULL,
    feed_id         TEXT    NOT NULL,
    feed            TEXT    NOT NULL,
    position        INTEGER NOT NULL,
    id              TEXT    NOT NULL,
    source          TEXT    NOT NULL,
    type            TEXT    NOT NULL,
    subject         TEXT,
    time            TEXT    NOT NULL,   -- RFC 3339, UTC
    datacontenttype TEXT,
    dataschema      TEXT,
    extensions      TEXT,               -- JSON
    data            BLOB,
    PRIMARY KEY (consumer, feed_id, position)
);
-- +goose StatementEnd
