-- +goose Up

-- Events of a held feed stay pending until feedserver open.
ALTER TABLE eventfeed_feeds ADD COLUMN held INTEGER NOT NULL DEFAULT 0;

-- The oldest version of the schema whose programs work on this one as well. A
-- migration that takes something away raises it, a release after the one that
-- no longer needs it.
CREATE TABLE eventfeed_schema_compatibility (oldest INTEGER NOT NULL);
INSERT INTO eventfeed_schema_compatibility VALUES (2);
