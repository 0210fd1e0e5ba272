//go:build unix

package testproxy

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// staticConfig serves the files of a folder, as a server of somebody's does.
const staticConfig = `server {
    listen 127.0.0.1:%d;
    root %s;
    types { application/atom+xml atom; application/rss+xml rss; application/rdf+xml rdf; text/html html; }
    location /slow/ { limit_rate 1k; }
    location /fresh/ { add_header Cache-Control "max-age=2"; }
    location /moved/ { rewrite ^/moved/(.*)$ /$1 redirect; }
}
`

// Static starts nginx for the files of a folder, until the test ends, and
// returns its URL.
func Static(t testing.TB, files string) string {
	t.Helper()
	p := &proxy{tool: "nginx", program: "nginx", ready: "start worker processes"}
	return p.start(t, func(folder string, listen int) []string {
		write(t, filepath.Join(folder, "eventfeed.conf"), fmt.Sprintf(staticConfig, listen, files))
		user := ""
		if os.Getuid() == 0 {
			user = "user root;" // the folders are ours alone
		}
		write(t, filepath.Join(folder, "nginx.conf"), fmt.Sprintf(nginxConfig, user, folder))
		return []string{"-e", "stderr", "-p", folder, "-c", filepath.Join(folder, "nginx.conf")}
	})
}
