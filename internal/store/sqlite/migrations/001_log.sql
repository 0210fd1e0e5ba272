-- +goose Up
-- +goose StatementBegin

-- The oldest version of the schema whose programs work on this one as well. A
-- migration that takes something away raises it, a release after the one that
-- no longer needs it.
CREATE TABLE eventfeed_schema_compatibility (oldest INTEGER NOT NULL);
INSERT INTO eventfeed_schema_compatibility VALUES (1);

-- The same tables as in PostgreSQL. Times are text, RFC 3339 in UTC.
CREATE TABLE eventfeed_feeds (
    feed        INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT    NOT NULL UNIQUE,
    id          TEXT    NOT NULL UNIQUE,
    title       TEXT    NOT NULL,
    author      TEXT    NOT NULL,
    page_size   INTEGER NOT NULL CHECK (page_size BETWEEN 1 AND 10000),
    page_bytes  INTEGER NOT NULL CHECK (page_bytes > 0),
    created     TEXT    NOT NULL,
    modified    TEXT    NOT NULL,
    identity    TEXT    NOT NULL,
    position    INTEGER NOT NULL DEFAULT 0,
    digest      BLOB    NOT NULL CHECK (length(digest) = 32),
    open_page   INTEGER NOT NULL DEFAULT 1,
    open_first  INTEGER NOT NULL DEFAULT 1,
    open_bytes  INTEGER NOT NULL DEFAULT 0,
    archives    INTEGER NOT NULL DEFAULT 0,
    held        INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE eventfeed_epochs (
    feed           INTEGER NOT NULL,
    ordinal        INTEGER NOT NULL,
    epoch          TEXT    NOT NULL UNIQUE,
    first_position INTEGER NOT NULL,
    first_page     INTEGER NOT NULL,
    digest_before  BLOB    NOT NULL CHECK (length(digest_before) = 32),
    reason         TEXT    NOT NULL,
    started        TEXT    NOT NULL,
    PRIMARY KEY (feed, ordinal)
);

CREATE TABLE eventfeed_events (
    insert_no       INTEGER PRIMARY KEY AUTOINCREMENT,
    feed            INTEGER NOT NULL,
    id              TEXT    NOT NULL CHECK (length(CAST(id AS BLOB)) BETWEEN 1 AND 255),
    source          TEXT    NOT NULL CHECK (source <> ''),
    type            TEXT    NOT NULL CHECK (type <> ''),
    subject         TEXT,
    time            TEXT    NOT NULL,
    datacontenttype TEXT,
    dataschema      TEXT,
    extensions      TEXT,
    data            BLOB,
    UNIQUE (feed, source, id)
);

CREATE TABLE eventfeed_pending (
    feed      INTEGER NOT NULL,
    insert_no INTEGER NOT NULL,
    PRIMARY KEY (feed, insert_no)
) WITHOUT ROWID;

CREATE TRIGGER eventfeed_events_pending AFTER INSERT ON eventfeed_events BEGIN
    INSERT INTO eventfeed_pending (feed, insert_no) VALUES (NEW.feed, NEW.insert_no);
END;

-- Which feeds have entities, and how far the history of one is numbered; see the
-- same tables in PostgreSQL.
CREATE TABLE eventfeed_entity_feeds (
    feed     INTEGER PRIMARY KEY,
    entities INTEGER NOT NULL
);

CREATE TABLE eventfeed_entity_numbering (
    feed     INTEGER PRIMARY KEY,
    position INTEGER NOT NULL
);

CREATE TABLE eventfeed_entities (
    feed    INTEGER NOT NULL,
    subject TEXT    NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (feed, subject)
) WITHOUT ROWID;

CREATE TABLE eventfeed_entity_events (
    feed      INTEGER NOT NULL,
    subject   TEXT    NOT NULL,
    version   INTEGER NOT NULL,
    insert_no INTEGER NOT NULL,
    PRIMARY KEY (feed, subject, version)
) WITHOUT ROWID;

CREATE TABLE eventfeed_snapshots (
    feed      INTEGER NOT NULL,
    subject   TEXT    NOT NULL,
    name      TEXT    NOT NULL CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 255),
    revision  TEXT    NOT NULL CHECK (length(CAST(revision AS BLOB)) BETWEEN 1 AND 255),
    version   INTEGER NOT NULL,
    insert_no INTEGER NOT NULL,
    digest    BLOB    CHECK (length(digest) = 32),
    state     BLOB    NOT NULL,
    taken     TEXT    NOT NULL,
    PRIMARY KEY (feed, subject, name, revision)
);

-- A trigger numbers, so that programs in any language do.
CREATE TRIGGER eventfeed_events_entity AFTER INSERT ON eventfeed_events
WHEN NEW.subject IS NOT NULL AND (SELECT n.entities FROM eventfeed_entity_feeds n WHERE n.feed = NEW.feed) BEGIN
    INSERT INTO eventfeed_entities (feed, subject, version) VALUES (NEW.feed, NEW.subject, 1)
        ON CONFLICT (feed, subject) DO UPDATE SET version = version + 1;
    INSERT INTO eventfeed_entity_events (feed, subject, version, insert_no)
        SELECT n.feed, n.subject, n.version, NEW.insert_no FROM eventfeed_entities n WHERE n.feed = NEW.feed AND n.subject = NEW.subject;
END;

CREATE TABLE eventfeed_positions (
    feed      INTEGER NOT NULL,
    position  INTEGER NOT NULL,
    insert_no INTEGER NOT NULL UNIQUE,
    digest    BLOB    NOT NULL CHECK (length(digest) = 32),
    recorded  TEXT    NOT NULL,
    PRIMARY KEY (feed, position)
) WITHOUT ROWID;

CREATE TABLE eventfeed_pages (
    feed           INTEGER NOT NULL,
    page           INTEGER NOT NULL,
    first_position INTEGER NOT NULL,
    last_position  INTEGER NOT NULL,
    PRIMARY KEY (feed, page)
) WITHOUT ROWID;

CREATE TABLE eventfeed_documents (
    feed   INTEGER NOT NULL,
    epoch  TEXT    NOT NULL,
    page   INTEGER NOT NULL,
    stage  TEXT    NOT NULL CHECK (stage IN ('newest', 'final')),
    format INTEGER NOT NULL,
    body   BLOB    NOT NULL,
    sealed TEXT    NOT NULL,
    PRIMARY KEY (feed, epoch, page, stage)
);

-- How many archived events of a feed have a type and a dataschema ('' for none).
CREATE TABLE eventfeed_event_types (
    feed           INTEGER NOT NULL,
    type           TEXT    NOT NULL,
    dataschema     TEXT    NOT NULL,
    events         INTEGER NOT NULL,
    first_position INTEGER NOT NULL,
    last_position  INTEGER NOT NULL,
    PRIMARY KEY (feed, type, dataschema)
) WITHOUT ROWID;

CREATE TRIGGER eventfeed_events_no_update BEFORE UPDATE ON eventfeed_events BEGIN SELECT RAISE(ABORT, 'eventfeed_events is append-only'); END;
CREATE TRIGGER eventfeed_events_no_delete BEFORE DELETE ON eventfeed_events BEGIN SELECT RAISE(ABORT, 'eventfeed_events is append-only'); END;
CREATE TRIGGER eventfeed_positions_no_update BEFORE UPDATE ON eventfeed_positions BEGIN SELECT RAISE(ABORT, 'eventfeed_positions is append-only'); END;
CREATE TRIGGER eventfeed_positions_no_delete BEFORE DELETE ON eventfeed_positions BEGIN SELECT RAISE(ABORT, 'eventfeed_positions is append-only'); END;
CREATE TRIGGER eventfeed_pages_no_update BEFORE UPDATE ON eventfeed_pages BEGIN SELECT RAISE(ABORT, 'eventfeed_pages is append-only'); END;
CREATE TRIGGER eventfeed_pages_no_delete BEFORE DELETE ON eventfeed_pages BEGIN SELECT RAISE(ABORT, 'eventfeed_pages is append-only'); END;
CREATE TRIGGER eventfeed_epochs_no_update BEFORE UPDATE ON eventfeed_epochs BEGIN SELECT RAISE(ABORT, 'eventfeed_epochs is append-only'); END;
CREATE TRIGGER eventfeed_epochs_no_delete BEFORE DELETE ON eventfeed_epochs BEGIN SELECT RAISE(ABORT, 'eventfeed_epochs is append-only'); END;
CREATE TRIGGER eventfeed_entity_events_no_update BEFORE UPDATE ON eventfeed_entity_events BEGIN SELECT RAISE(ABORT, 'eventfeed_entity_events is append-only'); END;
CREATE TRIGGER eventfeed_entity_events_no_delete BEFORE DELETE ON eventfeed_entity_events BEGIN SELECT RAISE(ABORT, 'eventfeed_entity_events is append-only'); END;
CREATE TRIGGER eventfeed_documents_no_update BEFORE UPDATE ON eventfeed_documents BEGIN SELECT RAISE(ABORT, 'eventfeed_documents is append-only'); END;
CREATE TRIGGER eventfeed_documents_no_delete BEFORE DELETE ON eventfeed_documents WHEN OLD.stage = 'final' BEGIN SELECT RAISE(ABORT, 'eventfeed_documents is append-only'); END;
-- +goose StatementEnd
