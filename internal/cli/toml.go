package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
	"github.com/spf13/pflag"
)

// setting is a line of the file: NAME = VALUE.
type setting struct {
	where string // FILE:LINE
	name  string
	kind  unstable.Kind // of the value
	value string
}

// readSettings reads TOML of the plainest kind: names and values. It walks the
// syntax tree itself, which alone says in which line a name stands.
func readSettings(file string, text []byte, known map[string]*pflag.Flag) ([]setting, error) {
	var parser unstable.Parser
	parser.Reset(text)
	var settings []setting
	for parser.NextExpression() {
		node := parser.Expression()
		keys := node.Key()
		if !keys.Next() {
			continue
		}
		key := keys.Node()
		s := setting{where: place(file, parser.Shape(key.Raw).Start.Line), name: string(key.Data)}
		if node.Kind != unstable.KeyValue || keys.Next() {
			return nil, Usage("%s: %s: tables are not supported; each setting is a line: NAME = VALUE", s.where, s.name)
		}
		if slices.ContainsFunc(settings, func(other setting) bool { return other.name == s.name }) {
			return nil, Usage("%s: %s: is there twice", s.where, s.name)
		}
		s.kind, s.value = node.Value().Kind, string(node.Value().Data)
		settings = append(settings, s)
	}
	if bad, ok := errors.AsType[*unstable.ParserError](parser.Error()); ok {
		line := parser.Shape(parser.Range(bad.Highlight)).Start.Line
		return nil, unreadable(place(file, line), strings.Split(string(text), "\n")[line-1], known)
	}
	return settings, parser.Error()
}

func place(file string, line int) string { return fmt.Sprintf("%s:%d", file, line) }

// unreadable is the error of a line that is not TOML: most often the value of
// a setting, without quotes. The parser's own words may show a part of it.
func unreadable(where, line string, known map[string]*pflag.Flag) error {
	name, _, _ := strings.Cut(line, "=")
	if f, ok := known[strings.Trim(name, " \t\"'")]; ok {
		_, want := valueOf(f)
		return Usage("%s: %s: must be %s", where, f.Name, want)
	}
	return Usage(`%s: cannot be read; a line is a name and a value, as in: db = "sqlite:eventfeed.db"`, where)
}
