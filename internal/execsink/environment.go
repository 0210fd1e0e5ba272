package execsink

import (
	"slices"
	"strings"
)

// settingPrefix is the prefix of eventfeed's settings, some of which contain passwords and tokens.
const settingPrefix = "EVENTFEED_"

// credentials are the variables that contain, or lead to, credentials for this process's database.
var credentials = []string{"PGPASSWORD", "PGPASSFILE", "PGSERVICE", "PGSERVICEFILE", "PGSSLKEY", "PGSSLPASSWORD"}

// Environment returns the variables of an environment that a program inherits, NAME=VALUE each: all but
// eventfeed's settings and a database's credentials, and those of these that pass names.
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
