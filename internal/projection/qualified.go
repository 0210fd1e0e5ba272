package projection

import (
	"slices"
	"strings"
)

// NamesSchema reports whether a statement qualifies a name that it writes, reads or calls with a
// schema, so that --schema would not change its tables. In case of doubt it returns true, for
// example for a name after FROM that is not a table.
func (p *Projection) NamesSchema() bool {
	named := func(s Statement) bool { return namesSchema(s.Render("$")) }
	return slices.ContainsFunc(p.setup, named) ||
		slices.ContainsFunc(p.blocks, func(b block) bool { return slices.ContainsFunc(b.statements, named) })
}

// beforeTable are the words after which the name of a table, or of a similar object, comes.
var beforeTable = []string{"INTO", "UPDATE", "FROM", "JOIN", "TABLE", "ONLY", "EXISTS", "REFERENCES", "ON", "USING",
	"VIEW", "INDEX", "SEQUENCE", "TYPE", "DOMAIN", "FUNCTION", "PROCEDURE", "TRUNCATE"}

// ofNoSchema are names before a dot that are not the schema of a projection's tables.
var ofNoSchema = []string{"pg_catalog", "information_schema", "excluded", "new", "old"}

func namesSchema(sql string) bool {
	tokens := wordsOf(sql)
	for i := 1; i+2 < len(tokens); i++ {
		before, first, dot := tokens[i-1], tokens[i], tokens[i+1]
		name := strings.Trim(strings.ToLower(first.text), "\"`")
		if dot.text != "." || !isName(first) || !isName(tokens[i+2]) || slices.Contains(ofNoSchema, name) {
			continue
		}
		if i > 1 && strings.EqualFold(tokens[i-2].text, "DISTINCT") { // IS DISTINCT FROM
			continue
		}
		called := i+3 < len(tokens) && tokens[i+3].text == "("
		if called || before.kind == kindWord && slices.Contains(beforeTable, strings.ToUpper(before.text)) {
			return true
		}
	}
	return slices.ContainsFunc(tokens, func(t token) bool { // the body of a function
		return t.kind == kindString && t.text[0] == '$' && namesSchema(strings.Trim(t.text[1:], "$"))
	})
}

func isName(t token) bool { return t.kind == kindWord || t.kind == kindName }

// wordsOf returns the tokens of a text without spaces and comments, up to a token without an end.
func wordsOf(sql string) (tokens []token) {
	l := lexer{text: sql}
	for {
		t, err := l.next()
		if err != nil || t.text == "" {
			return tokens
		}
		if !isBlank(t.kind) {
			tokens = append(tokens, t)
		}
	}
}
