package access

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// entry is a [[token]] of the file, and the lines in which its keys stand.
type entry struct {
	line  int
	keys  map[string]int
	hash  [sha256.Size]byte
	grant Grant
}

// No error shows a value: it may be a token in the wrong place.
var (
	nameForm   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$`)
	errName    = errors.New("must be 1 to 63 characters of a-z, A-Z, 0-9, '.', '_', '@' and '-', the first a letter or a digit")
	errHash    = errors.New("must be the SHA-256 of the token in 64 hexadecimal digits, and not the token itself; make both with: feedserver token NAME")
	errFeeds   = errors.New(`must be a list of feeds, such as ["orders", "shop-*"], or ["*"] for all`)
	errTable   = errors.New("there is no such table; a token begins with [[token]]")
	errKey     = errors.New("there is no such key; a [[token]] has name, sha256, read and append")
	errTwice   = errors.New("is there twice")
	errMissing = errors.New("the token must have a name, a sha256, and feeds to read or to append to")
	errSyntax  = errors.New(`cannot be read; a line is [[token]], or a key and a value as in: read = ["orders"]`)
)

// parseTokens reads a file of tokens, which is TOML with a [[token]] for each.
// It walks the syntax tree, which alone says in which line each thing stands,
// and is strict: a key that is not known may be a misspelt limit.
func parseTokens(path string, text []byte) (table, error) {
	fail := func(line int, err error) (table, error) { return nil, fmt.Errorf("%s:%d: %w", path, line, err) }
	var parser unstable.Parser
	parser.Reset(text)
	var entries []*entry
	for parser.NextExpression() {
		node := parser.Expression()
		keys := node.Key()
		if !keys.Next() {
			continue
		}
		key, line := string(keys.Node().Data), parser.Shape(keys.Node().Raw).Start.Line
		switch {
		case keys.Next() || node.Kind == unstable.Table || node.Kind == unstable.ArrayTable && key != "token":
			return fail(line, errTable)
		case node.Kind == unstable.ArrayTable:
			entries = append(entries, &entry{line: line, keys: map[string]int{}})
		case len(entries) == 0:
			return fail(line, errTable)
		default:
			if err := entries[len(entries)-1].set(key, line, node.Value()); err != nil {
				return fail(line, fmt.Errorf("%.80q: %w", key, err))
			}
		}
	}
	if bad, ok := errors.AsType[*unstable.ParserError](parser.Error()); ok {
		return fail(parser.Shape(parser.Range(bad.Highlight)).Start.Line, errSyntax)
	}
	if err := parser.Error(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return collect(path, entries)
}

// set takes the value of a key.
func (e *entry) set(key string, line int, value *unstable.Node) (err error) {
	if _, twice := e.keys[key]; twice {
		return errTwice
	}
	e.keys[key] = line
	switch key {
	case "name":
		e.grant.Name = string(value.Data)
		if value.Kind != unstable.String || !nameForm.Match(value.Data) {
			return errName
		}
	case "sha256":
		sum, err := hex.DecodeString(string(value.Data))
		if value.Kind != unstable.String || err != nil || len(sum) != len(e.hash) {
			return errHash
		}
		e.hash = [sha256.Size]byte(sum)
	case "read":
		e.grant.read, err = feedsOf(value)
	case "append":
		e.grant.appendTo, err = feedsOf(value)
	default:
		return errKey
	}
	return err
}

func feedsOf(list *unstable.Node) (feeds []pattern, err error) {
	if list.Kind != unstable.Array {
		return nil, errFeeds
	}
	for items := list.Children(); items.Next(); {
		item := items.Node()
		if item.Kind == unstable.Comment {
			continue
		}
		if item.Kind != unstable.String || !validPattern(string(item.Data)) {
			return nil, errFeeds
		}
		feeds = append(feeds, pattern(item.Data))
	}
	return feeds, nil
}

func validPattern(text string) bool {
	return text == "*" || feed.ValidName(strings.TrimSuffix(text, "*"))
}

// collect puts the tokens together, each with all that it needs, and no two
// alike: whoever takes one back means to take back all of it.
func collect(path string, entries []*entry) (table, error) {
	grants, names := table{}, map[string]bool{}
	for _, e := range entries {
		_, hashed := e.keys["sha256"]
		if e.grant.Name == "" || !hashed || len(e.grant.read)+len(e.grant.appendTo) == 0 {
			return nil, fmt.Errorf("%s:%d: %w", path, e.line, errMissing)
		}
		if names[e.grant.Name] {
			return nil, fmt.Errorf("%s:%d: the name %s: %w", path, e.keys["name"], e.grant.Name, errTwice)
		}
		if other, twice := grants[e.hash]; twice {
			return nil, fmt.Errorf("%s:%d: the sha256 of %s is that of %s", path, e.keys["sha256"], e.grant.Name, other.Name)
		}
		names[e.grant.Name] = true
		grants[e.hash] = e.grant
	}
	return grants, nil
}
