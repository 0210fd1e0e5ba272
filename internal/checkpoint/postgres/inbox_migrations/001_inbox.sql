-- +goose Up

-- Every event as it came. NULL stands for an attribute, or data, that is not there.
CREATE TABLE eventfeed_inbox.events (
    consumer        text        NOT NULL,
    feed_id         text        NOT NULL,
    feed            text        NOT NULL,
    position        bigint      NOT NULL,
    id              text        NOT NULL,
    source          text        NOT NULL,
    type            text        NOT NULL,
    subject         text,
    time            timestamptz NOT NULL,
    datacontenttype text,
    dataschema      text,
    extensions      jsonb,
    data            bytea,
    PRIMARY KEY (consumer, feed_id, position)
);
