package sqlitedb

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// Scheme begins the URL of an SQLite database.
const Scheme = "sqlite:"

// inMemory is SQLite's name for a database without a file.
const inMemory = ":memory:"

// Path returns the path of a database URL, sqlite:PATH or sqlite://PATH, with
// percent escapes decoded. It refuses what SQLite's drivers take beside a path,
// options above all, and names it: as a part of the file's name it would lead to
// another database. The error shows no option's value, which may be a key.
func Path(databaseURL string) (string, error) {
	path, ok := strings.CutPrefix(databaseURL, Scheme)
	if !ok {
		return "", errors.New("database URL: must be sqlite:PATH")
	}
	path = strings.TrimPrefix(path, "//")
	shown, options, hasOptions := strings.Cut(path, "?")
	if hasOptions {
		return "", refuseOptions(fmt.Sprintf("database URL %q", Scheme+shown), options)
	}
	if before, _, found := strings.Cut(path, "#"); found {
		return "", fmt.Errorf("database URL %q: fragments (#…) are not supported; for a # in the file's name write %%23", Scheme+before+"#")
	}
	path, err := url.PathUnescape(path)
	if err != nil {
		return "", fmt.Errorf("database URL: %w; for a %% in the file's name write %%25", err)
	}
	if strings.HasPrefix(path, "//") {
		path = "/" + strings.TrimLeft(path, "/")
	}
	return path, CheckPath(path)
}

// CheckPath refuses a path that names no file, or that is a driver's data source
// name or a URL. Taken for a path, each would silently make another file.
func CheckPath(path string) error {
	shown, options, hasOptions := strings.Cut(path, "?")
	scheme, rest, _ := strings.Cut(shown, ":")
	switch {
	case path == "":
		return errors.New("the path of the SQLite file is missing: write sqlite:PATH")
	case strings.EqualFold(scheme, "file") && rest != "", strings.EqualFold(scheme, "sqlite"), strings.EqualFold(scheme, "sqlite3"):
		return fmt.Errorf("path %q: the prefix %s: is not supported; name the file by its path alone", shown, scheme)
	case hasOptions:
		return refuseOptions(fmt.Sprintf("path %q", shown), options)
	case os.IsPathSeparator(path[len(path)-1]):
		return fmt.Errorf("path %q: is a folder; name a file in it", path)
	case filepath.Base(path) == inMemory:
		return fmt.Errorf("path %q: a database in memory is gone when the program ends; name a file", path)
	case strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return fmt.Errorf("path %q: a control character is not supported in the file's name", path)
	case strings.TrimSpace(path) != path:
		return fmt.Errorf("path %q: begins or ends with a space; remove it", path)
	}
	return nil
}

// refuseOptions names the options that follow what is named as it is shown.
func refuseOptions(shown, options string) error {
	var names []string
	for option := range strings.SplitSeq(options, "&") {
		name, _, _ := strings.Cut(option, "=")
		names = append(names, name)
	}
	return fmt.Errorf("%s: options (%s) are not supported; eventfeed opens every SQLite file in WAL mode, synchronous, with a busy timeout of its own; omit the ? and everything after it",
		shown, strings.Join(names, ", "))
}
