-- Ends the import, under a lock as short as that of step 2, and drops what it
-- needed.{{if .Outbox}} Rows that came since step 3 are appended first.{{end}}
--
-- Run it as {{.Owner}}, outside of a transaction, as psql -f does, when step 3 has ended without an error.
SET default_transaction_isolation = 'read committed';
SET statement_timeout = 0;
DO $$
DECLARE
    done  boolean := false;
    pause float8 := 1;
BEGIN
    FOR attempt IN 1..1000 LOOP
        {{- if .Outbox}}
        IF pause > 0.1 THEN
            CALL {{.Object "_eventfeed_import"}}();
        END IF;
        {{- end}}
        pause := 0.02;
        BEGIN
            PERFORM set_config('lock_timeout', '400ms', true);
            LOCK TABLE {{.SQL}} IN SHARE ROW EXCLUSIVE MODE;
            done := {{.Object "_eventfeed_finish"}}();
        EXCEPTION WHEN lock_not_available THEN
            pause := 0.5 + random();
        END;
        COMMIT;
        EXIT WHEN done;
        PERFORM pg_sleep(pause);
    END LOOP;
    IF NOT done THEN
        RAISE EXCEPTION 'transactions that write to the table are open all the time' USING HINT = 'run this file again when there are fewer';
    END IF;
END $$;
{{- if .Outbox}}
DROP PROCEDURE {{.Object "_eventfeed_import"}};
DROP FUNCTION {{.Object "_eventfeed_finish"}}, {{.Object "_eventfeed_append"}}, {{.Object "_eventfeed_fill"}};
DROP TABLE {{.Object "_eventfeed_queue"}};
{{- else}}
DROP PROCEDURE {{.Object "_eventfeed_import"}};
DROP FUNCTION {{.Object "_eventfeed_finish"}}, {{.Object "_eventfeed_import_rows"}};
DROP TABLE {{.Object "_eventfeed_seen"}};
{{- end}}
