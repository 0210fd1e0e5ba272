package execsink

import (
	"slices"
	"strings"
)

// settingPrefix begins the names of eventfeed's settings, some of which hold
// passwords and tokens.
const settingPrefix = "EVENTFEED_"

// credentials are the variables that hold, or lead to, what this process shows to
// its database.
var credentials = []string{"PGPASSWORD", "PGPASSFILE", "PGSERVICE", "PGSERVICEFILE", "PGSSLKEY", "PGSSLPASSWORD"}

// Environment returns what a program gets of an environment of this process's,
// NAME=VALUE each: not what is meant for this process alone, which is eventfeed's
// settings and a database's credentials, unless it is named in pass.
func Environment(of, pass []string) []string {
	kept := make([]string, 0, len(of))
	for _, variable := range of {
		name, _, _ := strings.Cut(variable, "=")
		own := strings.HasPrefix(name, settingPrefix) || slices.Contains(credentials, name)
		if !own || slices.Contains(pass, name) {
			kept = append(kept, variable)
		}
	}
	return kept
}
