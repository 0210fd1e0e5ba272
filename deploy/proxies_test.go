package deploy_test

import (
	"regexp"
	"strings"
	"testing"
)

// Whoever reads a line of a proxy's configuration finds in operations.md why it is there, and finds
// there no line that is not.
func TestEveryLineOfAProxyIsExplained(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		heading, file string
		line          *regexp.Regexp // its first group must be explained
	}{
		{"### nginx, line by line", "nginx.conf", regexp.MustCompile(`(?m)^\s*([a-z_]+) [^;{]*[;{]`)},
		{"### Varnish, line by line", "varnish.vcl", regexp.MustCompile(
			`(?m)^\s*(?:(?:un)?set (?:be)?req\.http\.([\w-]+)|set (beresp\.\w+)|(std\.\w+)\(|(\.\w+) =|sub (vcl_hash|vcl_backend_fetch) |(return \(\w+\)))`)},
	} {
		_, section, found := strings.Cut(read(t, "../docs/operations.md"), test.heading)
		if !found {
			t.Fatalf("operations.md has no section %q", test.heading)
		}
		section, _, _ = strings.Cut(section, "\n#")
		file := read(t, test.file)
		lines := 0
		for _, groups := range test.line.FindAllStringSubmatch(withoutComments(file), -1) {
			lines++
			name := strings.Join(groups[1:], "")
			if name != "default" && !strings.Contains(section, "`"+name) {
				t.Errorf("%s: %s is not explained in operations.md", test.file, name)
			}
		}
		if lines < 15 {
			t.Errorf("%s: only %d lines found", test.file, lines)
		}
		for _, row := range regexp.MustCompile(`(?m)^\| ([^|]*) \|`).FindAllStringSubmatch(section, -1) {
			for _, span := range regexp.MustCompile("`([^`]*)`").FindAllStringSubmatch(row[1], -1) {
				if !strings.Contains(file, span[1]) {
					t.Errorf("operations.md explains %q, which is not in %s", span[1], test.file)
				}
			}
		}
	}
}

func withoutComments(text string) string {
	return regexp.MustCompile(`(?m)(^|\s)#.*$`).ReplaceAllString(text, "")
}
