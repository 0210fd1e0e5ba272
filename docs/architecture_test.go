package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// What the map of the packages names is there, and what is there it names.
func TestArchitectureNamesEveryPackageAndNoOther(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("architecture.md")
	must.OK(t, err)
	named := map[string]bool{}
	for _, code := range regexp.MustCompile("`((?:internal|seed|outbox|event|cmd|deploy|examples|docs)/[^` ]*)`").FindAllStringSubmatch(string(text), -1) {
		path := strings.TrimSuffix(code[1], "/")
		named[path] = true
		if found, err := filepath.Glob("../" + path); err != nil || len(found) == 0 {
			t.Errorf("it names %s, which is not there", path)
		}
	}
	folders, err := filepath.Glob("../internal/*")
	must.OK(t, err)
	for _, folder := range folders {
		name := strings.TrimPrefix(folder, "../")
		if info, err := os.Stat(folder); err != nil || !info.IsDir() || name == "internal/testing" {
			continue
		}
		isNamed := false
		for path := range named {
			isNamed = isNamed || path == name || strings.HasPrefix(path, name+"/")
		}
		if !isNamed {
			t.Errorf("it does not name %s", name)
		}
	}
}
