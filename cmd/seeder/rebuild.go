package main

import (
	"cmp"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/projection"
	"github.com/eventfeed/eventfeed/seed"
)

// rebuild returns the next step that builds a new copy of a projection. If the SQL names the schema
// of its tables, --schema would not separate the copy from the old tables.
func rebuild(config seed.Config, into string, sinks *sinkFlags) string {
	if !namesSchema(into, sinks) {
		return "build a new copy beside it with: " + rebuildLine(config, into, sinks)
	}
	return "its SQL may name the schema of its tables, which --schema does not change: drop the tables, then start over with: " + resetLine(config, into, sinks) +
		"; or create another database, and build it there with: " + rebuildLine(config, into, sinks)
}

// namesSchema reports whether --schema may not separate a new copy of a projection from the old
// tables. It returns true if the file cannot be read.
func namesSchema(into string, sinks *sinkFlags) bool {
	if strings.HasPrefix(into, sqlitedb.Scheme) {
		return false
	}
	text, err := os.ReadFile(sinks.projection)
	if err != nil {
		return true
	}
	p, err := projection.Parse(sinks.projection, text)
	return err != nil || p.NamesSchema()
}

// anotherDatabase returns the URL of a new PostgreSQL database beside the one of a URL.
func anotherDatabase(into string) string {
	u, err := url.Parse(into)
	if err != nil {
		return "postgres://HOST/NAME"
	}
	query := u.Query()
	name := cmp.Or(query.Get("dbname"), strings.TrimPrefix(u.Path, "/"), u.User.Username(), "seeded")
	query.Del("dbname")
	u.Path, u.RawQuery = "/"+successor(name, "_"), query.Encode()
	return u.String()
}

// rebuildLine returns the command that builds a new copy of a projection beside the old tables: in
// another schema, in another file, or in another database if the SQL names the schema.
func rebuildLine(config seed.Config, into string, sinks *sinkFlags) string {
	line := "seeder run" + urlFlags("from", config.From)
	isSQLite, named := strings.HasPrefix(into, sqlitedb.Scheme), namesSchema(into, sinks)
	if named {
		into = anotherDatabase(into)
	}
	if isSQLite {
		extension := filepath.Ext(into)
		into = successor(strings.TrimSuffix(into, extension), "-") + extension
	}
	line += placeFlag(into) + " --projection " + cli.Quote(sinks.projection)
	switch {
	case named && sinks.schema != "":
		line += " --schema " + cli.Quote(sinks.schema) + consumerFlag(config)
	case named, isSQLite:
		line += consumerFlag(config)
	default:
		line += " --schema " + cli.Quote(nextSchema(sinks))
	}
	if sinks.strict {
		line += " --strict"
	}
	if config.OnError == seed.Park {
		line += " --on-error park"
	}
	if config.IgnoreFeedID {
		line += " --ignore-feed-id"
	}
	if config.KeepSameID {
		line += " --keep-same-id"
	}
	if !config.AsOf.IsZero() {
		line += " --as-of " + cloudevents.FormatTime(config.AsOf)
	}
	return line + sinks.access
}

// urlFlags returns a flag once for each value.
func urlFlags(name string, values []string) string {
	flags := make([]string, len(values))
	for i, value := range values {
		flags[i] = urlFlag(name, value)
	}
	return strings.Join(flags, "")
}

var notInName = regexp.MustCompile(`[^a-z0-9_]+`)

// nextSchema returns a schema for a new copy of a projection. If the projection has no schema, it
// uses the file's name.
func nextSchema(sinks *sinkFlags) string {
	name := sinks.schema
	if name == "" {
		file := filepath.Base(sinks.projection)
		name = strings.Trim(notInName.ReplaceAllString(strings.ToLower(strings.TrimSuffix(file, filepath.Ext(file))), "_"), "_")
	}
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		name = "projection" + name
	}
	return successor(name, "_")
}

var numbered = regexp.MustCompile(`^(.*[-_])([0-9]{1,9})$`)

// successor returns shop-2 of shop, and shop-3 of shop-2.
func successor(name, separator string) string {
	if match := numbered.FindStringSubmatch(name); match != nil {
		if n, err := strconv.Atoi(match[2]); err == nil {
			return match[1] + strconv.Itoa(n+1)
		}
	}
	return name + separator + "2"
}
