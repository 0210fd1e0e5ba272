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

-- Appends a row as it is, unless it has had an event. Returns false if the row
-- is locked by another transaction: it waits for none, so it is in no deadlock.
CREATE FUNCTION {{.Object "_eventfeed_import_row"}}({{.KeyTypes}}) RETURNS boolean LANGUAGE plpgsql
{{.Fixed}} SET enable_seqscan = off SET enable_bitmapscan = off
AS $function$
DECLARE
    r {{.SQL}};
BEGIN
    IF EXISTS (SELECT FROM {{.Object "_eventfeed_seen"}} s WHERE {{.KeyIs "s"}}) THEN
        RETURN true;
    END IF;
    SELECT * INTO r FROM {{.SQL}} t WHERE {{.KeyIs "t"}} FOR NO KEY UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN NOT EXISTS (SELECT FROM {{.SQL}} t WHERE {{.KeyIs "t"}});
    END IF;
    INSERT INTO {{.Object "_eventfeed_seen"}} VALUES ({{.KeyParameters}}) ON CONFLICT DO NOTHING;
    IF FOUND THEN
        PERFORM eventfeed.append_or_refuse({{.Feed}}, '{{.Entity}}Imported', {{.Subject "r"}}, convert_to(to_json(r)::text, 'UTF8'), 'application/json');
    END IF;
    RETURN true;
END $function$;

-- Imports all rows in the order of their keys. It locks each row before it reads
-- it, and commits after a tenth of a second: no writer waits longer than that.
CREATE PROCEDURE {{.Object "_eventfeed_import"}}() LANGUAGE plpgsql AS $procedure$
DECLARE
    k     record;
    began timestamptz := clock_timestamp();
    told  timestamptz := began;
    rows  bigint := 0;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'the import needs the isolation level read committed, this is %', current_setting('transaction_isolation');
    END IF;
    FOR k IN SELECT {{list .Key "t."}} FROM {{.SQL}} t ORDER BY {{list .Key "t."}} LOOP
        WHILE NOT {{.Object "_eventfeed_import_row"}}({{list .Key "k."}}) LOOP
            COMMIT;
            PERFORM pg_sleep(0.02);
            began := clock_timestamp();
            IF began > told + interval '10 seconds' THEN
                RAISE NOTICE 'waiting for a transaction that has locked the row %', k;
                told := began;
            END IF;
        END LOOP;
        rows := rows + 1;
        IF clock_timestamp() > began + interval '0.1 seconds' THEN
            COMMIT;
            began := clock_timestamp();
            IF began > told + interval '10 seconds' THEN
                RAISE NOTICE '% rows imported', rows;
                told := began;
            END IF;
        END IF;
    END LOOP;
    COMMENT ON TABLE {{.Object "_eventfeed_seen"}} IS 'all rows are imported';
    COMMIT;
    RAISE NOTICE 'all % rows imported', rows;
END $procedure$;

-- Replaces the trigger's function by one that asks no more whether a row has been imported.
CREATE FUNCTION {{.Object "_eventfeed_finish"}}() RETURNS void LANGUAGE plpgsql AS $finish$
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
END $finish$;

-- Who may attach these to a table of its own may append what it likes.
REVOKE ALL ON FUNCTION {{.Object "_eventfeed"}}(), {{.Object "_eventfeed_import_row"}}({{.KeyTypes}}), {{.Object "_eventfeed_finish"}}() FROM PUBLIC;
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
