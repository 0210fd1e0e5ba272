-- Keeps a copy of {{.SQL}} in a database of PostgreSQL, by the events of the feed
-- {{.FeedName}}:
--   seeder run --from URL --into URL --projection FILE --follow
-- Columns and types are the source's, but those of a type of its own. Leave out
-- what you do not need, in the table and in the statements.

CREATE TABLE {{.Target}} (
{{.Definitions}}  PRIMARY KEY ({{list .Key ""}})
);

-- on {{.Entity}}Imported, {{.Entity}}Created, {{.Entity}}Changed
INSERT INTO {{.Target}} ({{list .Columns ""}})
SELECT {{list .Columns "r."}} FROM jsonb_populate_record(CAST(NULL AS {{.Target}}), :data) AS r
ON CONFLICT ({{list .Key ""}}) DO {{if .Rest}}UPDATE SET
{{- range $i, $c := .Rest}}{{if $i}},{{end}}
  {{.SQL}} = excluded.{{.SQL}}
{{- end}}{{else}}NOTHING{{end}};

-- on {{.Entity}}Deleted
DELETE FROM {{.Target}} AS t USING jsonb_populate_record(CAST(NULL AS {{.Target}}), :data) AS r
WHERE {{.TargetKey}};
