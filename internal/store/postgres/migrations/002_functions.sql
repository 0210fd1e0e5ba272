-- +goose Up

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
-- Why an event cannot be taken, or NULL. The same rules as event.Normal in Go.
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
    -- As event.Size counts, with room for what is filled in.
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

    SELECT g.id, r.reason INTO bad
    FROM unnest(ids, sources, types, subjects, times, datacontenttypes, dataschemas, extensions, datas)
             WITH ORDINALITY AS g (id, source, type, subject, occurred_at, datacontenttype, dataschema, extension, data, n),
         eventfeed.refusal(g.id, g.source, g.type, g.subject, g.occurred_at, g.datacontenttype, g.dataschema, g.extension, g.data) AS r (reason)
    WHERE r.reason IS NOT NULL ORDER BY g.n LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'eventfeed: event %: %', to_json(coalesce(bad.id, '')), bad.reason
            USING ERRCODE = 'invalid_parameter_value';
    END IF;

    WITH added AS (
        INSERT INTO eventfeed.events (feed, id, source, type, subject, time, datacontenttype, dataschema, extensions, data)
        SELECT feed_key, coalesce(nullif(g.id, ''), eventfeed.uuidv7()), coalesce(nullif(g.source, ''), '/' || feed_name), g.type,
               nullif(g.subject, ''), coalesce(g.occurred_at, clock_timestamp()),
               nullif(g.datacontenttype, ''), nullif(g.dataschema, ''),
               CASE WHEN g.extension IS NOT NULL THEN eventfeed.extension_strings(g.extension) END, nullif(g.data, '')
        FROM unnest(ids, sources, types, subjects, times, datacontenttypes, dataschemas, extensions, datas)
                 WITH ORDINALITY AS g (id, source, type, subject, occurred_at, datacontenttype, dataschema, extension, data, n)
        ORDER BY g.n
        ON CONFLICT (feed, source, id) DO NOTHING
        RETURNING insert_no)
    INSERT INTO eventfeed.pending (feed, insert_no) SELECT feed_key, a.insert_no FROM added a;
    GET DIAGNOSTICS added = ROW_COUNT;
    IF added = cardinality(types) THEN
        RETURN added;
    END IF;

    -- Some were there. That is fine where nothing that was given differs.
    SELECT e.id, e.source INTO bad
    FROM unnest(ids, sources, types, subjects, times, datacontenttypes, dataschemas, extensions, datas)
             WITH ORDINALITY AS g (id, source, type, subject, occurred_at, datacontenttype, dataschema, extension, data, n)
    JOIN eventfeed.events e ON e.feed = feed_key AND e.source = coalesce(nullif(g.source, ''), '/' || feed_name) AND e.id = g.id
    WHERE g.type <> e.type
       OR nullif(g.subject, '') IS NOT NULL AND g.subject IS DISTINCT FROM e.subject
       OR g.occurred_at <> e.time
       OR nullif(g.datacontenttype, '') IS NOT NULL AND g.datacontenttype IS DISTINCT FROM e.datacontenttype
       OR nullif(g.dataschema, '') IS NOT NULL AND g.dataschema IS DISTINCT FROM e.dataschema
       OR eventfeed.extension_strings(g.extension) IS NOT NULL AND eventfeed.extension_strings(g.extension) IS DISTINCT FROM e.extensions
       OR nullif(g.data, '') IS NOT NULL AND g.data IS DISTINCT FROM e.data
    ORDER BY g.n LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'eventfeed: event % of source % is in feed % already, with other content',
            to_json(bad.id), to_json(bad.source), feed_name
            USING ERRCODE = 'unique_violation', HINT = 'an event cannot be changed; append another one under an id of its own';
    END IF;
    RETURN added;
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
BEGIN
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
    END IF;
    -- It cannot be taken, or is there already: append_many tells which, and why.
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
