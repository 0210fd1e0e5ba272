-- Ends the import, under a lock as short as that of step 2, and drops what it needed.
--
-- Run it as {{.Owner}}, outside of a transaction, as psql -f does, when step 3 has ended without an error.
SET default_transaction_isolation = 'read committed';
SET statement_timeout = 0;
DO $$
BEGIN
    FOR attempt IN 1..300 LOOP
        {{- if .Outbox}}
        COMMIT;
        CALL {{.Object "_eventfeed_import"}}();
        {{- end}}
        BEGIN
            PERFORM set_config('lock_timeout', '{{if .Outbox}}300{{else}}500{{end}}ms', true);
            LOCK TABLE {{.SQL}} IN SHARE ROW EXCLUSIVE MODE;
            PERFORM {{.Object "_eventfeed_finish"}}();
            {{template "retried" .}}
        END;
        PERFORM pg_sleep(0.5 + random());
    END LOOP;
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
