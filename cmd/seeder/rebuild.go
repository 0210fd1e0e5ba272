package main

import (
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/sqlitedb"
	"github.com/eventfeed/eventfeed/seed"
)

// rebuildLine returns the command that builds a projection anew, beside the
// tables that are there: in another schema, or in another file.
func rebuildLine(config seed.Config, into string, sinks *sinkFlags) string {
	line := "seeder run"
	for _, from := range config.From {
		line += urlFlag("from", from)
	}
	isSQLite := strings.HasPrefix(into, sqlitedb.Scheme)
	if isSQLite {
		extension := filepath.Ext(into)
		into = successor(strings.TrimSuffix(into, extension), "-") + extension
	}
	line += urlFlag("into", into) + " --projection " + cli.Quote(sinks.projection)
	if isSQLite {
		line += consumerFlag(config)
	} else {
		line += " --schema " + cli.Quote(nextSchema(sinks))
	}
	if sinks.strict {
		line += " --strict"
	}
	if config.OnError == seed.Park {
		line += " --on-error park"
	}
	if !config.AsOf.IsZero() {
		line += " --as-of " + event.FormatTime(config.AsOf)
	}
	return line
}

var notInName = regexp.MustCompile(`[^a-z0-9_]+`)

// nextSchema is a schema beside that of a projection. Where it has none the name
// is made of the file's.
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
