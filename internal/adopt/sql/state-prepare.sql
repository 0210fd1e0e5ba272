-- Makes what steps 2 to 4 need. No row and no writer of {{.SQL}} notices.
--
-- Run it as {{.Owner}}, who owns the table and needs: GRANT eventfeed_writer TO {{.Owner}};
-- and the right to create in its schema: GRANT CREATE ON SCHEMA {{.SchemaSQL}} TO {{.Owner}};
BEGIN;

-- The keys of the rows that have had an event. It goes at the end of the import.
CREATE TABLE {{.Object "_eventfeed_seen"}} (
{{- range .Key}}
    {{.SQL}} {{.Type}},
{{- end}}
    PRIMARY KEY ({{list .Key ""}})
);

-- Appends the events of a row that has changed. It runs with the rights of its
-- owner, so the service needs no new ones. Before the first change of a row that
-- has not been imported it appends the row as it was.
CREATE FUNCTION {{.Object "_eventfeed"}}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
{{.Fixed}}
AS $function$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO {{.Object "_eventfeed_seen"}} VALUES ({{list .Key "OLD."}}) ON CONFLICT DO NOTHING;
        IF FOUND THEN
            PERFORM eventfeed.append_or_refuse({{.Feed}}, '{{.Entity}}Imported', {{.Subject "OLD"}}, convert_to(to_json(OLD)::text, 'UTF8'), 'application/json');
        END IF;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO {{.Object "_eventfeed_seen"}} VALUES ({{list .Key "NEW."}}) ON CONFLICT DO NOTHING;
    END IF;
{{template "state-changed" .}}
    RETURN NULL;
END $function$;

CREATE FUNCTION {{.Object "_eventfeed_truncate"}}() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
    RAISE EXCEPTION 'TRUNCATE of % would not be in its feed', TG_TABLE_NAME USING HINT = 'use DELETE';
END $function$;

-- Appends rows as they are, but those that have had an event, for a tenth of a
-- second at most. Returns the keys that are left: it locks each row before it
-- reads it, and waits for no lock, so it is in no deadlock.
CREATE FUNCTION {{.Object "_eventfeed_import_rows"}}(keys {{.Object "_eventfeed_seen"}}[]) RETURNS {{.Object "_eventfeed_seen"}}[] LANGUAGE plpgsql
{{.Fixed}} SET enable_seqscan = off SET enable_bitmapscan = off
AS $function$
DECLARE
    until CONSTANT timestamptz := clock_timestamp() + interval '0.1 seconds';
    locked {{.Object "_eventfeed_seen"}}[] := '{}';
    k      {{.Object "_eventfeed_seen"}};
    r      {{.SQL}};
BEGIN
    FOR i IN 1 .. cardinality(keys) LOOP
        IF clock_timestamp() > until THEN
            RETURN locked || keys[i:];
        END IF;
        k := keys[i];
        CONTINUE WHEN EXISTS (SELECT FROM {{.Object "_eventfeed_seen"}} s WHERE {{.KeyIs "s" "k"}});
        SELECT * INTO r FROM {{.SQL}} t WHERE {{.KeyIs "t" "k"}} FOR NO KEY UPDATE SKIP LOCKED;
        IF FOUND THEN
            INSERT INTO {{.Object "_eventfeed_seen"}} VALUES ({{list .Key "k."}}) ON CONFLICT DO NOTHING;
            IF FOUND THEN
                PERFORM eventfeed.append_or_refuse({{.Feed}}, '{{.Entity}}Imported', {{.Subject "r"}}, convert_to(to_json(r)::text, 'UTF8'), 'application/json');
            END IF;
        ELSIF EXISTS (SELECT FROM {{.SQL}} t WHERE {{.KeyIs "t" "k"}}) THEN
            locked := locked || k;
        END IF;
    END LOOP;
    RETURN locked;
END $function$;

-- Imports all rows that are there, in the order of their keys.
CREATE PROCEDURE {{.Object "_eventfeed_import"}}() LANGUAGE plpgsql AS $procedure$
DECLARE
    batch  record;
    keys   {{.Object "_eventfeed_seen"}}[];
    before int;
    told   timestamptz := clock_timestamp();
    rows   bigint := 0;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'the import needs the isolation level read committed, this is %', current_setting('transaction_isolation');
    END IF;
    FOR batch IN
        SELECT array_agg(t.k ORDER BY t.n) AS keys
        FROM (SELECT ROW({{list .Key "t."}})::{{.Object "_eventfeed_seen"}} AS k, row_number() OVER (ORDER BY {{list .Key "t."}}) AS n FROM {{.SQL}} t) t
        GROUP BY t.n / 1000 ORDER BY t.n / 1000
    LOOP
        keys := batch.keys;
        rows := rows + cardinality(keys);
        WHILE cardinality(keys) > 0 LOOP
            before := cardinality(keys);
            keys := {{.Object "_eventfeed_import_rows"}}(keys);
            COMMIT;
            IF clock_timestamp() > told + interval '10 seconds' THEN
                RAISE NOTICE '% rows imported', rows - cardinality(keys);
                told := clock_timestamp();
            END IF;
            IF cardinality(keys) = before THEN -- all of them are locked
                PERFORM pg_sleep(0.02);
            END IF;
        END LOOP;
    END LOOP;
    COMMENT ON TABLE {{.Object "_eventfeed_seen"}} IS 'all rows are imported';
    COMMIT;
    RAISE NOTICE 'all % rows imported', rows;
END $procedure$;

-- Replaces the trigger's function by one that asks no more whether a row has been imported.
CREATE FUNCTION {{.Object "_eventfeed_finish"}}() RETURNS boolean LANGUAGE plpgsql AS $finish$
BEGIN
    IF obj_description({{literal (.Object "_eventfeed_seen")}}::regclass) IS NULL THEN
        RAISE EXCEPTION 'the rows are not imported yet' USING HINT = 'run 3-import.sql to its end first';
    END IF;
    CREATE OR REPLACE FUNCTION {{.Object "_eventfeed"}}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    {{.Fixed}}
    AS $function$
BEGIN
{{template "state-changed" .}}
    RETURN NULL;
END $function$;
    RETURN true;
END $finish$;

-- Who may attach these to a table of its own may append what it likes.
REVOKE ALL ON FUNCTION {{.Object "_eventfeed"}}, {{.Object "_eventfeed_import_rows"}}, {{.Object "_eventfeed_finish"}} FROM PUBLIC;
REVOKE ALL ON PROCEDURE {{.Object "_eventfeed_import"}}() FROM PUBLIC;
COMMIT;
{{define "state-changed" -}}
{{"    "}}IF TG_OP = 'INSERT' THEN
        PERFORM eventfeed.append_or_refuse({{.Feed}}, '{{.Entity}}Created', {{.Subject "NEW"}}, convert_to(to_json(NEW)::text, 'UTF8'), 'application/json');
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM eventfeed.append_or_refuse({{.Feed}}, '{{.Entity}}Deleted', {{.Subject "OLD"}}, convert_to(to_json(OLD)::text, 'UTF8'), 'application/json');
    ELSIF {{.Subject "NEW"}} <> {{.Subject "OLD"}} THEN -- one row goes, another one comes
        PERFORM eventfeed.append_or_refuse({{.Feed}}, '{{.Entity}}Deleted', {{.Subject "OLD"}}, convert_to(to_json(OLD)::text, 'UTF8'), 'application/json');
        PERFORM eventfeed.append_or_refuse({{.Feed}}, '{{.Entity}}Created', {{.Subject "NEW"}}, convert_to(to_json(NEW)::text, 'UTF8'), 'application/json');
    ELSIF NEW *<> OLD THEN
        PERFORM eventfeed.append_or_refuse({{.Feed}}, '{{.Entity}}Changed', {{.Subject "NEW"}}, convert_to(to_json(NEW)::text, 'UTF8'), 'application/json');
    END IF;
{{- end}}
