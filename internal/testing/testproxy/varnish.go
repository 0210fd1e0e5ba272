//go:build unix

package testproxy

import (
	"fmt"
	"path/filepath"
	"testing"
)

// Varnish is a [Start] for Varnish with deploy/varnish.vcl.
func Varnish(t testing.TB, upstream string) string {
	t.Helper()
	name, port := host(t, upstream)
	p := &proxy{
		tool: "varnish", ready: "Child starts",
		more: []string{"varnishlog", "-d", "-g", "request", "-n"},
	}
	return p.start(t, func(folder string, listen int) []string {
		file := filepath.Join(folder, "eventfeed.vcl")
		write(t, file, deployed(t, "varnish.vcl", map[string]string{
			`.host = "127.0.0.1";`: fmt.Sprintf(".host = %q;", name),
			`.port = "8080";`:      fmt.Sprintf(".port = %q;", port),
		}))
		return []string{
			"-F", "-j", "none", "-T", "none", "-n", filepath.Join(folder, "work"), "-s", "malloc,256m",
			"-a", fmt.Sprintf("127.0.0.1:%d", listen), "-f", file,
		}
	})
}
