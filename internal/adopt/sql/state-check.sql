-- Lists the rows of {{.SQL}} that no event can hold, and why. Repair them, or
-- let them go to the refused rows: feedserver refused. It reads the whole table.
--
-- Run it as {{.Owner}}, who owns the table and needs: GRANT eventfeed_writer TO {{.Owner}};
SELECT {{list .Key "adopted."}}, refusal.reason
FROM {{.SQL}} adopted,
     eventfeed.refusal(NULL, NULL, '{{.Entity}}Imported', {{.Subject "adopted"}}, now(), 'application/json', NULL, NULL, convert_to(to_json(adopted)::text, 'UTF8')) AS refusal (reason)
WHERE refusal.reason IS NOT NULL
LIMIT 100;
