package deploy_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/server"
)

// The documents explain every line of the configurations of proxies and web servers, and no line that they
// do not have.
func TestEveryLineOfAProxyIsExplained(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		document, heading, file string
		line                    *regexp.Regexp // its first group must be explained
	}{
		{"archive.md", "\n### The lines of nginx-site.conf\n", "nginx-site.conf", regexp.MustCompile(`(?m)^\s*([a-z_]+) [^;{]*[;{]`)},
		{"archive.md", "\n### The lines of Caddyfile\n", "Caddyfile", regexp.MustCompile(`(?m)^\t+(?:@\w+ )?([a-z_]+)`)},
		{"caches.md", "\n## nginx\n", "nginx.conf", regexp.MustCompile(`(?m)^\s*([a-z_]+) [^;{]*[;{]`)},
		{"caches.md", "\n## Varnish\n", "varnish.vcl", regexp.MustCompile(
			`(?m)^\s*(?:(?:un)?set (?:be)?req\.http\.([\w-]+)|set (beresp\.\w+)|(std\.\w+)\(|(\.\w+) =|sub (vcl_hash|vcl_backend_fetch) |(return \(\w+\)))`)},
	} {
		_, section, found := strings.Cut(read(t, "../docs/"+test.document), test.heading)
		if !found {
			t.Fatalf("%s has no section %q", test.document, test.heading)
		}
		section, _, _ = strings.Cut(section, "\n#")
		file := read(t, test.file)
		lines := 0
		for _, groups := range test.line.FindAllStringSubmatch(withoutComments(file), -1) {
			lines++
			name := strings.Join(groups[1:], "")
			if name != "default" && !strings.Contains(section, "`"+name) {
				t.Errorf("%s: %s is not explained in %s", test.file, name, test.document)
			}
		}
		if lines < 12 {
			t.Errorf("%s: only %d lines found", test.file, lines)
		}
		for _, row := range regexp.MustCompile(`(?m)^\| ([^|]*) \|`).FindAllStringSubmatch(section, -1) {
			for _, span := range regexp.MustCompile("`([^`]*)`").FindAllStringSubmatch(row[1], -1) {
				if !strings.Contains(file, span[1]) {
					t.Errorf("%s explains %q, which is not in %s", test.document, span[1], test.file)
				}
			}
		}
	}
}

func withoutComments(text string) string {
	return regexp.MustCompile(`(?m)(^|\s)#.*$`).ReplaceAllString(text, "")
}

// A proxy that loses patience before the server answers turns each quiet minute into an error.
func TestProxiesWaitLongerThanTheServer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ file, setting string }{
		{"nginx.conf", "proxy_read_timeout "},
		{"varnish.vcl", ".first_byte_timeout = "},
		{"varnish.vcl", ".between_bytes_timeout = "},
	} {
		if patience := time.Duration(number(t, test.file, test.setting)) * time.Second; patience < server.DefaultMaxWait+30*time.Second {
			t.Errorf("%s: %s%s, the server waits for %s", test.file, test.setting, patience, server.DefaultMaxWait)
		}
	}
	// In JSON, data in Base64 is a third longer.
	if most := number(t, "nginx.conf", "client_max_body_size "); most<<20 < event.MaxSize*2 {
		t.Errorf("nginx.conf lets %d MB pass, an event may have %d bytes", most, event.MaxSize)
	}
}

// number returns the number behind a text in a file.
func number(t *testing.T, file, text string) int {
	t.Helper()
	groups := regexp.MustCompile(regexp.QuoteMeta(text) + `(\d+)[sm];`).FindStringSubmatch(read(t, file))
	if groups == nil {
		t.Fatalf("%s: no %q", file, text)
	}
	n, err := strconv.Atoi(groups[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}
