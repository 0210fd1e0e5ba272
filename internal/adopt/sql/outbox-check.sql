-- Lists the rows of {{.SQL}} that no event can hold, and why. Repair them, or
-- let them go to the refused rows: feedserver refused. It reads the whole table.
--
-- Run it as {{.Owner}}, who owns the table and needs: GRANT eventfeed_writer TO {{.Owner}};
SELECT {{list .Key "r."}}, refusal.reason
FROM {{.SQL}} r
CROSS JOIN LATERAL (SELECT {{.Outbox.Attributes}}) e
CROSS JOIN LATERAL eventfeed.refusal(e.id, NULL, e.type, e.subject, e.occurred_at, e.content_type, NULL, NULL, e.data) AS refusal (reason)
WHERE refusal.reason IS NOT NULL
LIMIT 100;
