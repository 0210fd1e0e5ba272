// Package rowsettings names the settings of PostgreSQL's sessions that the rows depend on
// which users' SQL writes, and gives each its value: so that the same history gives the
// same rows everywhere.
package rowsettings

import (
	"slices"
	"strings"
)

// Setting is a setting of a PostgreSQL session.
type Setting struct{ Name, Value string }

// All are the settings that make the rows depend on the session, beside
// search_path, each with the value that it has for users' SQL.
var All = []Setting{
	{"TimeZone", "UTC"}, {"DateStyle", "ISO, MDY"}, {"IntervalStyle", "postgres"},
	{"extra_float_digits", "1"}, {"bytea_output", "hex"},
	{"lc_monetary", "C"}, {"lc_numeric", "C"}, {"lc_time", "C"},
	{"default_text_search_config", "pg_catalog.simple"},
	{"standard_conforming_strings", "on"}, {"backslash_quote", "safe_encoding"},
	{"array_nulls", "on"}, {"transform_null_equals", "off"}, {"quote_all_identifiers", "off"},
	{"xmloption", "content"}, {"xmlbinary", "base64"},
	{"timezone_abbreviations", "Default"}, {"gin_fuzzy_search_limit", "0"},
}

// Has reports whether a setting is one of All, or search_path.
func Has(name string) bool {
	return strings.EqualFold(name, "search_path") ||
		slices.ContainsFunc(All, func(s Setting) bool { return strings.EqualFold(s.Name, name) })
}

// Names are those of All, of search_path, and of the settings that decide whose rows are
// seen, which triggers run and how text is read, in the order of Query.
var Names = func() []string {
	names := []string{"search_path", "client_encoding", "role", "row_security", "session_replication_role"}
	for _, s := range All {
		names = append(names, s.Name)
	}
	return names
}()

// Query selects the present values of Names, in one row.
var Query = "SELECT pg_catalog.current_setting('" + strings.Join(Names, "'), pg_catalog.current_setting('") + "')"
