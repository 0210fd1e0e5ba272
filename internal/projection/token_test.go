package projection

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// lex returns all tokens of a text.
func lex(text string) (all []token, err error) {
	l := lexer{text: text}
	for {
		t, err := l.next()
		if err != nil || t.text == "" {
			return all, err
		}
		all = append(all, t)
	}
}

func TestParametersAreFoundOnlyOutsideOfStringsNamesAndComments(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{`:id`, ":id"},
		{`(:id,:feed)`, ":id :feed"},
		{`x=:id`, ":id"},
		{`:data->>'a'`, ":data"},
		{`:data::text`, ":data"},
		{`a::text`, ""},
		{`a::text::jsonb`, ""},
		{`:data_bytes`, ":data_bytes"},
		{`x := :id`, ":id"},
		{`x :=id`, ""},
		{`: id`, ""},
		{`':id'`, ""},
		{`'it''s :id'`, ""},
		{`'a\' :id`, ":id"},
		{`E'a\' :id'`, ""},
		{`e'a\\' :id`, ":id"},
		{`E'a''\' :id'`, ""},
		{"E'a'\n 'b\\' :id' :feed", ":feed"},
		{"E'a' 'b\\' :id", ":id"},
		{`typE'\' :id`, ":id"},
		{`U&'\' :id`, ":id"},
		{`":id"`, ""},
		{`"a"":id"`, ""},
		{"`:id`", ""},
		{"`a``:id`", ""},
		{"-- :id\n:feed", ":feed"},
		{`/* :id */ :feed`, ":feed"},
		{`/* /* */ :id */ :feed`, ":feed"},
		{`/*/ :id */ :feed`, ":feed"},
		{`$$ :id $$ :feed`, ":feed"},
		{`$a$ $$ :id $b$ $a$ :feed`, ":feed"},
		{`a$b$ :id`, ":id"},
		{`$é$ :id $é$`, ""},
		{`1- -:position`, ":position"},
		{`a[:position]`, ":position"},
		{`a[1:n]`, ""},
		{`a[lo:hi]`, ""},
		{`a[(x):hi]`, ""},
		{`a["x":hi]`, ""},
		{`a[1 : :position]`, ":position"},
		{`a[NOT :live]`, ":live"},
		{`a[f(x):id]`, ""},
		{`ARRAY[f(:id),:feed]`, ":id :feed"},
		{`:id:feed`, ":id :feed"},
	} {
		all, err := lex(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
		}
		var found []string
		for _, token := range all {
			if token.kind == kindParameter {
				found = append(found, token.text)
			}
		}
		if got := strings.Join(found, " "); got != c.want {
			t.Errorf("%s: parameters %q, want %q", c.text, got, c.want)
		}
	}
}

func TestWhatHasNoEndIsAnError(t *testing.T) {
	t.Parallel()
	for text, what := range map[string]string{
		`x 'a`:       "a string in '",
		`x E'a\'`:    "a string in '",
		`x "a`:       `a name in "`,
		"x `a":       "a name in `",
		`x /* /* */`: "a comment /*",
		`x $a$ $$`:   "a string $a$",
		`x $$ $a$`:   "a string $$",
	} {
		_, err := lex(text)
		if broken, is := errors.AsType[*unterminated](err); !is || broken.at != 2 || broken.what != what {
			t.Errorf("%s: %v, want that %s has no end", text, err, what)
		}
	}
}

// FuzzTokens holds the tokens to the text: together they are the text, and no
// parameter is a part of a string, a name or a comment, as a slower way to look
// at it says.
func FuzzTokens(f *testing.F) {
	for _, text := range []string{
		`:id`, `'a'':id'`, `E'\':id'`, "E'a'\n'\\':id'", `"a":id`, "`a`", `-- :id`, `/* /* :id */ */`, `$$:id$$`, `$a$:id$a$`,
		`a::b`, `a[1:n]`, `x;y`, `:=`, `1e'x'`, `a$b$`, "é:id",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, err := lex(text)
		var b strings.Builder
		for _, token := range all {
			if token.at != b.Len() || token.text == "" {
				t.Fatalf("%q: token %q at %d, behind %d bytes", text, token.text, token.at, b.Len())
			}
			b.WriteString(token.text)
		}
		if err == nil && b.String() != text {
			t.Fatalf("%q: the tokens are %q", text, b.String())
		}
		quoted := quotedBytes(text)
		for _, token := range all {
			if token.kind == kindParameter && slices.Contains(quoted[token.at:token.at+len(token.text)], true) {
				t.Fatalf("%q: parameter %s at %d is quoted", text, token.text, token.at)
			}
		}
	})
}

// quotedBytes says of each byte whether it is in a string in plain quotes, a
// name in quotes or a line comment. It knows nothing else, and says no for all
// that follows what it does not know.
func quotedBytes(text string) []bool {
	quoted := make([]bool, len(text)+1)
	var end string
	for i := 0; i < len(text); i++ {
		switch {
		case end != "":
			quoted[i] = true
			if strings.HasPrefix(text[i:], end) {
				end = ""
			}
		case strings.HasPrefix(text[i:], "--"):
			end, quoted[i] = "\n", true
		case strings.HasPrefix(text[i:], "/*"), text[i] == '$', strings.ContainsRune("eE", rune(text[i])) && strings.HasPrefix(text[i+1:], "'"):
			return quoted
		case text[i] == '\'', text[i] == '"', text[i] == '`':
			end, quoted[i] = text[i:i+1], true
		}
	}
	return quoted
}
