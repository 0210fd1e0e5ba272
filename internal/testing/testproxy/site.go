//go:build unix

package testproxy

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// NginxSite starts nginx with deploy/nginx-site.conf for a folder, until the test ends, and returns its URL.
func NginxSite(t testing.TB, files string) string {
	t.Helper()
	p := &proxy{tool: "nginx", ready: "start worker processes"}
	return p.start(t, func(folder string, listen int) []string {
		write(t, filepath.Join(folder, "eventfeed.conf"), deployed(t, "nginx-site.conf", map[string]string{
			"root /srv/site;": fmt.Sprintf("root %s;", files),
			"listen 80;":      fmt.Sprintf("listen 127.0.0.1:%d;", listen),
		}))
		user := ""
		if os.Getuid() == 0 {
			user = "user root;" // the folders are ours alone
		}
		write(t, filepath.Join(folder, "nginx.conf"), fmt.Sprintf(nginxConfig, user, folder))
		return []string{"-e", "stderr", "-p", folder, "-c", filepath.Join(folder, "nginx.conf")}
	})
}

// CaddySite is [NginxSite] for Caddy with deploy/Caddyfile, without TLS.
func CaddySite(t testing.TB, files string) string {
	t.Helper()
	p := &proxy{tool: "caddy", ready: "serving initial configuration"}
	return p.start(t, func(folder string, listen int) []string {
		file := filepath.Join(folder, "Caddyfile")
		write(t, file, "{\n\tadmin off\n\tauto_https off\n\tstorage file_system "+folder+"\n}\n"+deployed(t, "Caddyfile", map[string]string{
			"feeds.example {":    fmt.Sprintf("http://127.0.0.1:%d {", listen),
			"root * /srv/site #": fmt.Sprintf("root * %s #", files),
		}))
		return []string{"run", "--config", file, "--adapter", "caddyfile"}
	})
}

// PythonSite serves a folder by Python's http.server, as somebody does who just tries it, and returns
// its URL.
func PythonSite(t testing.TB, files string) string {
	t.Helper()
	p := &proxy{tool: "python3", ready: "Serving HTTP"}
	return p.start(t, func(_ string, listen int) []string {
		return []string{"-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory", files, fmt.Sprint(listen)}
	})
}
