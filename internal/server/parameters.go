package server

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/eventfeed/eventfeed/internal/nearest"
)

// The query parameters of each HTML page, beside format.
var (
	serviceParameters = []string{"q"}
	feedParameters    = []string{"q", "type", "subject", "before", "page", "position", "time"}
	archiveParameters = []string{"before"}
	eventParameters   = []string{"id", "source"}
	entityParameters  = []string{"subject", "before", "date"}
	typesParameters   = []string{"after", "dataschema"}
)

// checkParameters refuses a request for an HTML page whose query cannot be read, or has a parameter
// that is unknown or that is there more than once: a person would take the answer for another one.
// All other forms ignore such parameters, because feed readers and proxies add their own. Empty
// values count as absent, because forms send their empty fields.
func checkParameters(r *http.Request, chosen *form, known []string) error {
	if chosen != htmlForm {
		return nil
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return refuse(http.StatusBadRequest, "the query of this URL, the part after the question mark, cannot be read: "+quote(r.URL.RawQuery))
	}
	known = append([]string{"format"}, known...)
	for _, name := range slices.Sorted(maps.Keys(query)) {
		values := slices.DeleteFunc(query[name], func(value string) bool { return value == "" })
		switch {
		case len(values) == 0:
		case !slices.Contains(known, name):
			return refuse(http.StatusBadRequest, "this page has no parameter "+quote(name)+nearest.Question(name, known)+"; it has "+strings.Join(known, ", "))
		case len(values) > 1:
			return refuse(http.StatusBadRequest, "the parameter "+quote(name)+" is in this URL more than once; name it once")
		}
	}
	return nil
}
