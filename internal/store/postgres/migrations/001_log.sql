-- +goose Up

-- The oldest version of the schema whose programs work on this one as well. A
-- migration that takes something away raises it, a release after the one that
-- no longer needs it.
CREATE TABLE eventfeed.schema_compatibility (oldest bigint NOT NULL);
INSERT INTO eventfeed.schema_compatibility VALUES (1);

-- One row a feed. Its lock is the only fence between sequencers and sealers.
-- The hot tables have no foreign key to it: the key-share lock would make
-- writers wait for the sequencer.
CREATE TABLE eventfeed.feeds (
    feed        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text        NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
    id          text        NOT NULL UNIQUE,
    title       text        NOT NULL,
    author      text        NOT NULL,
    page_size   int         NOT NULL CHECK (page_size BETWEEN 1 AND 10000),
    page_bytes  int         NOT NULL CHECK (page_bytes > 0),
    created     timestamptz NOT NULL DEFAULT now(),
    modified    timestamptz NOT NULL,               -- Last-Modified of the feed's documents: another second with each change
    identity    text        NOT NULL,               -- of the database that the history was last written on
    position    bigint      NOT NULL DEFAULT 0,     -- last one given
    digest      bytea       NOT NULL CHECK (octet_length(digest) = 32),
    open_page   bigint      NOT NULL DEFAULT 1,     -- the page that events are being placed on
    open_first  bigint      NOT NULL DEFAULT 1,
    open_bytes  bigint      NOT NULL DEFAULT 0,
    archives    bigint      NOT NULL DEFAULT 0,     -- number of sealed pages
    held        boolean     NOT NULL DEFAULT false  -- events stay pending until feedserver open
) WITH (fillfactor = 50);

-- What the sequencer looks for all the time is found without reading every feed.
CREATE INDEX feeds_identity ON eventfeed.feeds (identity);
CREATE INDEX feeds_unsealed ON eventfeed.feeds (feed) WHERE open_page - 1 > archives;

CREATE TABLE eventfeed.epochs (
    feed           bigint      NOT NULL,
    ordinal        int         NOT NULL,
    epoch          text        NOT NULL UNIQUE,
    first_position bigint      NOT NULL,
    first_page     bigint      NOT NULL,
    digest_before  bytea       NOT NULL CHECK (octet_length(digest_before) = 32),
    reason         text        NOT NULL,
    started        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (feed, ordinal)
);

-- Written in the caller's transaction, together with a row in pending.
CREATE TABLE eventfeed.events (
    insert_no       bigint      GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY, -- breaks ties, never a cursor
    feed            bigint      NOT NULL,
    id              text        NOT NULL,
    source          text        NOT NULL,
    type            text        NOT NULL,
    subject         text,
    time            timestamptz NOT NULL,
    datacontenttype text,
    dataschema      text,
    extensions      jsonb,
    data            bytea,
    UNIQUE (feed, source, id)
);

-- What has no position yet. Always short, always changing.
CREATE TABLE eventfeed.pending (
    feed      bigint NOT NULL,
    insert_no bigint NOT NULL,
    PRIMARY KEY (feed, insert_no)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_insert_scale_factor = 0.2, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE eventfeed.positions (
    feed      bigint      NOT NULL,
    position  bigint      NOT NULL,
    insert_no bigint      NOT NULL UNIQUE,
    digest    bytea       NOT NULL CHECK (octet_length(digest) = 32),
    recorded  timestamptz NOT NULL,
    PRIMARY KEY (feed, position)
);

-- What has got its position is pending no longer. Nobody else deletes from pending:
-- an event that is taken from there without a position would never be published.
-- +goose StatementBegin
CREATE FUNCTION eventfeed.placed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    of bigint;
BEGIN
    FOR of IN SELECT DISTINCT n.feed FROM new_positions n LOOP -- each by the index, whatever the statistics say
        DELETE FROM eventfeed.pending p
        WHERE p.feed = of AND p.insert_no = ANY (ARRAY(SELECT n.insert_no FROM new_positions n WHERE n.feed = of));
    END LOOP;
    RETURN NULL;
END $$;
-- +goose StatementEnd

CREATE TRIGGER placed AFTER INSERT ON eventfeed.positions REFERENCING NEW TABLE AS new_positions
    FOR EACH STATEMENT EXECUTE FUNCTION eventfeed.placed();

-- Closed pages. They are sealed in the order of their numbers.
CREATE TABLE eventfeed.pages (
    feed           bigint NOT NULL,
    page           bigint NOT NULL,
    first_position bigint NOT NULL,
    last_position  bigint NOT NULL,
    PRIMARY KEY (feed, page)
);

-- Sealed pages as they are served: put once, never changed. Only a newest
-- stage may go, once the final one stands.
CREATE TABLE eventfeed.documents (
    feed   bigint      NOT NULL,
    epoch  text        NOT NULL,
    page   bigint      NOT NULL,
    stage  text        NOT NULL CHECK (stage IN ('newest', 'final')),
    format int         NOT NULL,
    body   bytea       NOT NULL,
    sealed timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (feed, epoch, page, stage)
);
ALTER TABLE eventfeed.documents ALTER COLUMN body SET STORAGE EXTERNAL; -- compressed already

-- What eventfeed.append_or_refuse could not append, as it was given, until it is
-- repaired or discarded. It is no part of a feed.
CREATE TABLE eventfeed.refused (
    number          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    feed            bigint      NOT NULL,
    refused         timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason          text        NOT NULL,
    id              text,
    source          text,
    type            text,
    subject         text,
    time            timestamptz,
    datacontenttype text,
    dataschema      text,
    extensions      jsonb,
    data            bytea
);
CREATE INDEX refused_feed ON eventfeed.refused (feed, number);

-- +goose StatementBegin
CREATE FUNCTION eventfeed.refuse() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'eventfeed.% is append-only', TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege', HINT = 'what was published never changes; append another event instead';
END $$;
-- +goose StatementEnd

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON eventfeed.events    FOR EACH STATEMENT EXECUTE FUNCTION eventfeed.refuse();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON eventfeed.positions FOR EACH STATEMENT EXECUTE FUNCTION eventfeed.refuse();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON eventfeed.pages     FOR EACH STATEMENT EXECUTE FUNCTION eventfeed.refuse();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON eventfeed.epochs    FOR EACH STATEMENT EXECUTE FUNCTION eventfeed.refuse();
CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE           ON eventfeed.documents FOR EACH STATEMENT EXECUTE FUNCTION eventfeed.refuse();
CREATE TRIGGER final_stays BEFORE DELETE ON eventfeed.documents FOR EACH ROW WHEN (OLD.stage = 'final') EXECUTE FUNCTION eventfeed.refuse();

-- What writers call. These functions are the only thing that they compile
-- against; tables may change behind them.

-- +goose StatementBegin
-- It and the next one have no SET, or they would not be inlined; so they name
-- everything with its schema.
CREATE FUNCTION eventfeed.uuidv7() RETURNS text LANGUAGE sql VOLATILE
AS $$
    -- RFC 9562, section 5.7: 48 bits of Unix milliseconds in front of a random UUID, version 7.
    SELECT pg_catalog.encode(
        pg_catalog.set_bit(pg_catalog.set_bit(
            pg_catalog.overlay(pg_catalog.uuid_send(pg_catalog.gen_random_uuid()),
                pg_catalog.substring(pg_catalog.int8send(
                    pg_catalog.floor(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) OPERATOR(pg_catalog.*) 1000)::bigint), 3),
                1, 6),
            52, 1), 53, 1), 'hex')::pg_catalog.uuid::pg_catalog.text
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION eventfeed.extension_strings(extensions jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE
AS $$
    -- Canonical strings of CloudEvents, and nothing for no extension at all.
    SELECT pg_catalog.jsonb_object_agg(e.key, e.value OPERATOR(pg_catalog.#>>) '{}'::pg_catalog.text[])
    FROM pg_catalog.jsonb_each(CASE WHEN pg_catalog.jsonb_typeof(extensions) OPERATOR(pg_catalog.=) 'object' THEN extensions END) e
    WHERE pg_catalog.jsonb_typeof(e.value) OPERATOR(pg_catalog.<>) 'null'
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION eventfeed.refusal(
    id text, source text, type text, subject text, occurred_at timestamptz,
    datacontenttype text, dataschema text, extensions jsonb, data bytea
) RETURNS text LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
-- Why an event cannot be taken, or NULL. The same rules as cloudevents.Normal in Go.
DECLARE
    -- CloudEvents 1.0, section 3.2: no control characters, no noncharacters.
    forbidden CONSTANT text := E'[\\u0001-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff'
        || E'\\U0001fffe\\U0001ffff\\U0002fffe\\U0002ffff\\U0003fffe\\U0003ffff\\U0004fffe\\U0004ffff\\U0005fffe\\U0005ffff\\U0006fffe\\U0006ffff\\U0007fffe\\U0007ffff\\U0008fffe\\U0008ffff'
        || E'\\U0009fffe\\U0009ffff\\U000afffe\\U000affff\\U000bfffe\\U000bffff\\U000cfffe\\U000cffff\\U000dfffe\\U000dffff\\U000efffe\\U000effff\\U000ffffe\\U000fffff\\U0010fffe\\U0010ffff]';
    extension record;
    size      bigint;
BEGIN
    IF coalesce(type, '') = '' THEN RETURN 'type is missing'; END IF;
    IF octet_length(id) > 255 THEN RETURN format('id has %s bytes, the limit is 255', octet_length(id)); END IF;
    IF greatest(octet_length(source), octet_length(type), octet_length(subject), octet_length(datacontenttype), octet_length(dataschema)) > 1024 THEN
        RETURN 'source, type, subject, datacontenttype or dataschema has more than 1024 bytes';
    END IF;
    IF concat(id, source, type, subject, datacontenttype, dataschema) ~ forbidden THEN
        RETURN 'an attribute holds a control character or a noncharacter';
    END IF;
    IF source !~ '^(?:/[A-Za-z0-9._~-]+)*$' OR dataschema <> '' THEN -- else it is the simplest of URI references
        DECLARE
            -- RFC 3986, sections 3 and 4.1. The address in brackets is looked at below.
            path      CONSTANT text := '(?:[A-Za-z0-9._~!$&''()*+,;=:@/-]|%[0-9A-Fa-f]{2})*';
            query     CONSTANT text := '(?:[A-Za-z0-9._~!$&''()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*';
            authority CONSTANT text := '//(?:(?:[A-Za-z0-9._~!$&''()*+,;=:-]|%[0-9A-Fa-f]{2})*@)?'
                || '(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9._~!$&''()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::[0-9]*)?(?:/' || path || ')?';
            scheme    CONSTANT text := '[A-Za-z][A-Za-z0-9+.-]*:';
            reference CONSTANT text := '^(?:(?:' || scheme || ')?' || authority || '|(?:' || scheme || '|(?![^/?#]*:))(?!//)' || path
                || ')(?:\?' || query || ')?(?:#' || query || ')?$';
            -- Section 3.2.2: H is a group of an address, L the last two.
            address   CONSTANT text := replace(replace('^(?:(?:H:){6}L|::(?:H:){5}L|H?::(?:H:){4}L|(?:(?:H:)?H)?::(?:H:){3}L|(?:(?:H:){0,2}H)?::(?:H:){2}L'
                || '|(?:(?:H:){0,3}H)?::H:L|(?:(?:H:){0,4}H)?::L|(?:(?:H:){0,5}H)?::H|(?:(?:H:){0,6}H)?::)$',
                'L', '(?:H:H|(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:\.(?!$)|$)){4})'), 'H', '[0-9A-Fa-f]{1,4}');
        BEGIN
            IF source <> '' AND (source !~ reference OR substring(source FROM '\[(.*)\]') !~ address) THEN
                RETURN format('source %s: must be a URI reference (RFC 3986), such as /orders or https://shop.example/orders; percent-encode other characters', to_jsonb(left(source, 80)));
            END IF;
            IF dataschema <> '' AND (dataschema !~ ('^' || scheme) OR dataschema !~ reference OR substring(dataschema FROM '\[(.*)\]') !~ address) THEN
                RETURN format('dataschema %s: must be a URI with its scheme (RFC 3986), such as https://shop.example/order.json; percent-encode other characters', to_jsonb(left(dataschema, 80)));
            END IF;
        END;
    END IF;
    IF occurred_at <= '0001-01-01 00:00:00+00' OR occurred_at >= '10000-01-01 00:00:00+00' THEN
        RETURN 'occurred_at is outside the years 1 to 9999';
    END IF;
    -- As cloudevents.Size counts, with room for what is filled in.
    size := 32 + CASE WHEN extract(microseconds FROM occurred_at)::bigint % 1000000 = 0 THEN 20 ELSE 27 END
        + coalesce(nullif(octet_length(id), 0), 36) + coalesce(nullif(octet_length(source), 0), 64) + octet_length(type)
        + coalesce(octet_length(subject), 0) + coalesce(octet_length(datacontenttype), 0)
        + coalesce(octet_length(dataschema), 0) + coalesce(octet_length(data), 0);
    IF extensions IS NOT NULL AND jsonb_typeof(extensions) <> 'null' THEN
        IF jsonb_typeof(extensions) <> 'object' THEN RETURN 'extensions must be a JSON object'; END IF;
        IF (SELECT count(*) FROM jsonb_object_keys(extensions)) > 1000 THEN RETURN 'event has too many extensions: the limit is 1000'; END IF;
        FOR extension IN SELECT e.key AS name, jsonb_typeof(e.value) AS kind, e.value #>> '{}' AS value FROM jsonb_each(extensions) e LOOP
            IF extension.name !~ '^[a-z0-9]{1,64}$' OR extension.name IN
                ('specversion', 'id', 'source', 'type', 'subject', 'time', 'datacontenttype', 'dataschema', 'data') THEN
                RETURN format('extension name %s: must be 1 to 64 of a-z and 0-9, and not the name of an attribute of its own', to_jsonb(extension.name));
            END IF;
            IF extension.kind NOT IN ('string', 'boolean', 'number', 'null')
                OR extension.kind = 'number' AND (extension.value !~ '^-?[0-9]{1,10}$' OR extension.value::bigint NOT BETWEEN -2147483648 AND 2147483647) THEN
                RETURN format('extension %s: must be a string, a Boolean or an Integer of 32 bits', extension.name);
            END IF;
            IF extension.value ~ forbidden THEN
                RETURN format('extension %s holds a control character or a noncharacter', extension.name);
            END IF;
            size := size + 8 + octet_length(extension.name) + coalesce(octet_length(extension.value), 0);
        END LOOP;
    END IF;
    IF size > 8388608 THEN RETURN format('event is too large: %s bytes, the limit is 8388608', size); END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION eventfeed.set_sequences() RETURNS text[] LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
-- Sets each sequence of the schema past the values of its column, if it is
-- behind them, and returns those that it has set. Rows that came by logical
-- replication or COPY leave the sequence of their table where it was.
DECLARE
    owned  record;
    newest bigint;
    next   bigint;
    locked boolean;
    behind boolean;
    done   text[] := '{}';
BEGIN
    -- setval counts at once, for everyone, and must not take back what another
    -- session has set and drawn meanwhile: one session at a time sets. The others
    -- wait until it has, and not for the end of its transaction.
    FOR attempt IN 1..1000 LOOP
        locked := pg_try_advisory_xact_lock(hashtextextended('eventfeed sequences', 0));
        behind := false;
        FOR owned IN
            SELECT s.oid::regclass AS sequence, c.oid::regclass AS table, a.attname AS column
            FROM pg_class c
            JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
                AND d.classid = 'pg_class'::regclass AND d.deptype IN ('i', 'a')
            JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
            WHERE c.relnamespace = 'eventfeed'::regnamespace
        LOOP
            EXECUTE format('SELECT max(%I) FROM %s', owned.column, owned.table) INTO newest;
            EXECUTE format('SELECT last_value + is_called::int FROM %s', owned.sequence) INTO next;
            CONTINUE WHEN newest IS NULL OR newest < next;
            behind := true;
            IF locked THEN
                PERFORM setval(owned.sequence, newest);
                done := done || owned.sequence::text;
            END IF;
        END LOOP;
        IF locked OR NOT behind THEN
            RETURN done;
        END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
    RAISE EXCEPTION 'eventfeed: another transaction is setting the sequences of schema eventfeed'
        USING ERRCODE = 'lock_not_available', HINT = 'repeat the transaction';
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION eventfeed.check_sequences() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
-- Sets the sequences, if an event is beyond the one that numbers events: a new
-- event would take its number, or one before it. Once a session is enough, since
-- a database that was moved has new sessions. In a serializable transaction it
-- does not look: all that append would conflict.
BEGIN
    IF current_setting('transaction_isolation') = 'serializable' THEN
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM eventfeed.events_insert_no_seq s CROSS JOIN LATERAL (
        SELECT FROM eventfeed.events e WHERE e.insert_no >= s.last_value + s.is_called::int ORDER BY e.insert_no LIMIT 1) beyond)
    THEN
        PERFORM eventfeed.set_sequences();
    END IF;
    PERFORM set_config('eventfeed.sequences', 'checked', false);
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION eventfeed.repeats(
    there eventfeed.events, type text, subject text, occurred_at timestamptz,
    datacontenttype text, dataschema text, extensions jsonb, data bytea
) RETURNS boolean LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
    -- Whether an event is the one that is there. A time that is left out is any, since
    -- the first append took its clock's; every other attribute must be the same, or be
    -- left out of both. So an attribute cannot be guessed without all the others.
    SELECT type = (there).type
        AND nullif(subject, '') IS NOT DISTINCT FROM (there).subject
        AND coalesce(occurred_at, (there).time) = (there).time
        AND nullif(datacontenttype, '') IS NOT DISTINCT FROM (there).datacontenttype
        AND nullif(dataschema, '') IS NOT DISTINCT FROM (there).dataschema
        AND CASE WHEN extensions IS NOT NULL THEN eventfeed.extension_strings(extensions) END IS NOT DISTINCT FROM (there).extensions
        AND nullif(data, '') IS NOT DISTINCT FROM (there).data
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION eventfeed.append_many(
    feed text, ids text[], sources text[], types text[], subjects text[], times timestamptz[],
    datacontenttypes text[], dataschemas text[], extensions jsonb[], datas bytea[]
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
-- Appends events in the order of the arrays and returns how many were not
-- there already. NULL stands for an attribute that was left out.
#variable_conflict use_column
DECLARE
    feed_name CONSTANT text := append_many.feed;
    feed_key  bigint;
    added     bigint;
    bad       record;
BEGIN
    SELECT f.feed INTO feed_key FROM eventfeed.feeds f WHERE f.name = feed_name;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'eventfeed: there is no feed %', coalesce(quote_literal(feed_name), 'NULL')
            USING ERRCODE = 'undefined_object', HINT = 'create it with: feedserver create NAME';
    END IF;
    IF current_setting('eventfeed.sequences', true) IS DISTINCT FROM 'checked' THEN
        PERFORM eventfeed.check_sequences();
    END IF;
    IF ids IS NULL OR array_position(ids, NULL) > 0 OR '' = ANY (ids) THEN
        ids := ARRAY(SELECT coalesce(nullif(g.id, ''), eventfeed.uuidv7()) FROM unnest(types, ids) WITH ORDINALITY AS g (type, id, n) ORDER BY g.n);
    END IF;

    SELECT g.id, r.reason INTO bad
    FROM unnest(ids, sources, types, subjects, times, datacontenttypes, dataschemas, extensions, datas)
             WITH ORDINALITY AS g (id, source, type, subject, occurred_at, datacontenttype, dataschema, extension, data, n),
         eventfeed.refusal(g.id, g.source, g.type, g.subject, g.occurred_at, g.datacontenttype, g.dataschema, g.extension, g.data) AS r (reason)
    WHERE r.reason IS NOT NULL ORDER BY g.n LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'eventfeed: event %: %', to_json(coalesce(bad.id, '')), bad.reason
            USING ERRCODE = 'invalid_parameter_value';
    END IF;

    FOR attempt IN 1..3 LOOP
        WITH added AS (
            INSERT INTO eventfeed.events (feed, id, source, type, subject, time, datacontenttype, dataschema, extensions, data)
            SELECT feed_key, g.id, coalesce(nullif(g.source, ''), '/' || feed_name), g.type,
                   nullif(g.subject, ''), coalesce(g.occurred_at, clock_timestamp()),
                   nullif(g.datacontenttype, ''), nullif(g.dataschema, ''),
                   CASE WHEN g.extension IS NOT NULL THEN eventfeed.extension_strings(g.extension) END, nullif(g.data, '')
            FROM unnest(ids, sources, types, subjects, times, datacontenttypes, dataschemas, extensions, datas)
                     WITH ORDINALITY AS g (id, source, type, subject, occurred_at, datacontenttype, dataschema, extension, data, n)
            ORDER BY g.n
            ON CONFLICT DO NOTHING
            RETURNING insert_no)
        INSERT INTO eventfeed.pending (feed, insert_no) SELECT feed_key, a.insert_no FROM added a;
        GET DIAGNOSTICS added = ROW_COUNT;
        IF added = cardinality(types) THEN
            RETURN added;
        END IF;

        -- Some were there. That is fine where they are the same. What differs is not
        -- said: who appends may not be allowed to read.
        -- Each is looked up by the index, whatever the statistics say of the table.
        SELECT g.id, g.source, there.id IS NULL AS lacks INTO bad
        FROM unnest(ids, sources, types, subjects, times, datacontenttypes, dataschemas, extensions, datas)
                 WITH ORDINALITY AS g (id, source, type, subject, occurred_at, datacontenttype, dataschema, extension, data, n)
        LEFT JOIN LATERAL (
            SELECT e.id,
                eventfeed.repeats(e, g.type, g.subject, g.occurred_at, g.datacontenttype, g.dataschema, g.extension, g.data) AS repeated
            FROM eventfeed.events e
            WHERE e.feed = feed_key AND e.source = coalesce(nullif(g.source, ''), '/' || feed_name) AND e.id = g.id
            LIMIT 1) AS there ON true
        WHERE there.repeated IS NOT TRUE
        ORDER BY g.n LIMIT 1;
        IF FOUND AND bad.lacks THEN
            -- Another event has its number. As long as none of these has one, they draw anew.
            PERFORM eventfeed.set_sequences();
            IF added = 0 AND attempt < 3 THEN
                CONTINUE;
            END IF;
            RAISE EXCEPTION 'eventfeed: a row that this transaction does not see has the insert_no, or another unique key, of event %', to_json(bad.id)
                USING ERRCODE = 'serialization_failure', HINT = 'rows came by replication or COPY, and the sequences of schema eventfeed have been set behind them: repeat the transaction';
        ELSIF FOUND THEN
            RAISE EXCEPTION 'eventfeed: event % of source % is in feed % already, with other content',
                to_json(bad.id), to_json(coalesce(nullif(bad.source, ''), '/' || feed_name)), feed_name
                USING ERRCODE = 'unique_violation', CONSTRAINT = 'eventfeed_id', -- programs read these, and not the message
                    DETAIL = jsonb_build_object('feed', feed_name, 'source', coalesce(nullif(bad.source, ''), '/' || feed_name), 'id', bad.id),
                    HINT = 'an event cannot be changed; append another one with a new id';
        END IF;
        RETURN added;
    END LOOP;
END $$;
-- +goose StatementEnd

-- All that follow are in PL/pgSQL, whose plans a session keeps; a function in
-- SQL would be planned anew at every call.

-- +goose StatementBegin
CREATE FUNCTION eventfeed.append_bytes(
    feed text, type text, subject text, data bytea, datacontenttype text,
    id text DEFAULT NULL, occurred_at timestamptz DEFAULT NULL, source text DEFAULT NULL,
    dataschema text DEFAULT NULL, extensions jsonb DEFAULT NULL
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    event_id CONSTANT text := coalesce(nullif(id, ''), eventfeed.uuidv7());
    feed_key bigint;
    repeated boolean;
BEGIN
    IF current_setting('eventfeed.sequences', true) IS DISTINCT FROM 'checked' THEN
        PERFORM eventfeed.check_sequences();
    END IF;
    SELECT f.feed INTO feed_key FROM eventfeed.feeds f WHERE f.name = append_bytes.feed;
    IF FOUND AND eventfeed.refusal(event_id, source, type, subject, occurred_at, datacontenttype, dataschema, extensions, data) IS NULL THEN
        WITH added AS (
            INSERT INTO eventfeed.events AS e (feed, id, source, type, subject, time, datacontenttype, dataschema, extensions, data)
            VALUES (feed_key, event_id, coalesce(nullif(source, ''), '/' || feed), type, nullif(subject, ''),
                    coalesce(occurred_at, clock_timestamp()), nullif(datacontenttype, ''), nullif(dataschema, ''),
                    CASE WHEN extensions IS NOT NULL THEN eventfeed.extension_strings(extensions) END, nullif(data, ''))
            ON CONFLICT DO NOTHING
            RETURNING e.insert_no)
        INSERT INTO eventfeed.pending (feed, insert_no) SELECT feed_key, a.insert_no FROM added a;
        IF FOUND THEN
            RETURN event_id;
        END IF;
        SELECT eventfeed.repeats(e, type, subject, occurred_at, datacontenttype, dataschema, extensions, data) INTO repeated
        FROM eventfeed.events e
        WHERE e.feed = feed_key AND e.source = coalesce(nullif(append_bytes.source, ''), '/' || append_bytes.feed) AND e.id = event_id;
        IF repeated THEN
            RETURN event_id;
        END IF;
    END IF;
    -- It cannot be taken, or is there with other content: append_many says which.
    PERFORM eventfeed.append_many(feed, ARRAY[event_id], ARRAY[source], ARRAY[type], ARRAY[subject], ARRAY[occurred_at],
        ARRAY[datacontenttype], ARRAY[dataschema], ARRAY[extensions], ARRAY[data]);
    RETURN event_id;
END $$;
-- +goose StatementEnd

-- json keeps the text as it was given.
-- +goose StatementBegin
CREATE FUNCTION eventfeed.append(
    feed text, type text, subject text, data json,
    id text DEFAULT NULL, occurred_at timestamptz DEFAULT NULL, source text DEFAULT NULL,
    dataschema text DEFAULT NULL, extensions jsonb DEFAULT NULL
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN eventfeed.append_bytes(feed, type, subject, convert_to(data::text, 'UTF8'),
        CASE WHEN data IS NOT NULL THEN 'application/json' END, id, occurred_at, source, dataschema, extensions);
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION eventfeed.append(
    feed text, type text, subject text, data jsonb,
    id text DEFAULT NULL, occurred_at timestamptz DEFAULT NULL, source text DEFAULT NULL,
    dataschema text DEFAULT NULL, extensions jsonb DEFAULT NULL
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN eventfeed.append_bytes(feed, type, subject, convert_to(data::text, 'UTF8'),
        CASE WHEN data IS NOT NULL THEN 'application/json' END, id, occurred_at, source, dataschema, extensions);
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION eventfeed.append(
    feed text, type text, subject text, data text,
    id text DEFAULT NULL, occurred_at timestamptz DEFAULT NULL, source text DEFAULT NULL,
    dataschema text DEFAULT NULL, extensions jsonb DEFAULT NULL
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN eventfeed.append_bytes(feed, type, subject, convert_to(data::json::text, 'UTF8'),
        CASE WHEN data IS NOT NULL THEN 'application/json' END, id, occurred_at, source, dataschema, extensions);
END $$;
-- +goose StatementEnd

-- For triggers: a service's own write must not fail because its row makes no event.

-- +goose StatementBegin
CREATE FUNCTION eventfeed.append_or_refuse(
    feed text, type text, subject text, data bytea, datacontenttype text,
    id text DEFAULT NULL, occurred_at timestamptz DEFAULT NULL, source text DEFAULT NULL,
    dataschema text DEFAULT NULL, extensions jsonb DEFAULT NULL
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
-- Appends an event as append_bytes does and returns its id. An event that cannot
-- be appended goes to eventfeed.refused, and the result is NULL.
#variable_conflict use_variable
DECLARE
    reason   text := eventfeed.refusal(id, source, type, subject, occurred_at, datacontenttype, dataschema, extensions, data);
    feed_key bigint;
BEGIN
    SELECT f.feed INTO feed_key FROM eventfeed.feeds f WHERE f.name = append_or_refuse.feed;
    IF feed_key IS NULL OR reason IS NULL AND NOT EXISTS (
        SELECT FROM eventfeed.events e
        WHERE e.feed = feed_key AND e.source = coalesce(nullif(append_or_refuse.source, ''), '/' || append_or_refuse.feed) AND e.id = append_or_refuse.id)
    THEN
        RETURN eventfeed.append_bytes(feed, type, subject, data, datacontenttype, id, occurred_at, source, dataschema, extensions);
    END IF;
    IF reason IS NULL THEN
        -- Only here, where the id is in use: each block like this one is a subtransaction.
        BEGIN
            RETURN eventfeed.append_bytes(feed, type, subject, data, datacontenttype, id, occurred_at, source, dataschema, extensions);
        EXCEPTION WHEN unique_violation THEN
            reason := SQLERRM;
        END;
    END IF;
    INSERT INTO eventfeed.refused (feed, reason, id, source, type, subject, time, datacontenttype, dataschema, extensions, data)
    VALUES (feed_key, reason, id, source, type, subject, occurred_at, datacontenttype, dataschema, extensions, data);
    RETURN NULL;
END $$;
-- +goose StatementEnd
