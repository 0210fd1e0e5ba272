{{- /* attempts: what stands in the block runs under a lock that the table's writers wait for. */ -}}
{{define "retried" -}}
            EXIT;
        EXCEPTION WHEN lock_not_available THEN
            -- A transaction that has written to the table is still open. Let the others go on, and try again.
            IF attempt = 300 THEN
                RAISE EXCEPTION 'transactions that write to % are open all the time for more than half a second', {{.SQL | literal}}
                    USING HINT = 'run this file again when there are fewer; nothing has changed';
            END IF;
{{- end}}
