package access

import (
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

// FuzzTokenFile holds that any file is read or refused with its line, and that
// what is read is TOML and names who may do something.
func FuzzTokenFile(f *testing.F) {
	f.Add(tokenEntry("a", "one", `read = ["x", 'y-*'] # z`) + tokenEntry("b", "two", `append = ["""x"""]`))
	f.Add("[[token]]\nname = \"\\u0061\"\n\"sha256\" = 1\n[token.x]\ny.z = {a = 1}")
	f.Fuzz(func(t *testing.T, text string) {
		grants, err := parseTokens("f", []byte(text))
		if err != nil && !strings.HasPrefix(err.Error(), "f:") {
			t.Errorf("%v", err)
		}
		if tomlErr := toml.Unmarshal([]byte(text), new(any)); err == nil && tomlErr != nil {
			t.Errorf("this is no TOML, and read as it: %v", tomlErr)
		}
		for _, grant := range grants {
			if !nameForm.MatchString(grant.Name) || len(grant.read)+len(grant.appendTo) == 0 {
				t.Errorf("%+v", grant)
			}
		}
	})
}
