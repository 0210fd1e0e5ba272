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
    location /moved/ { rewrite ^/moved/(.*)$ /$1 redirect; }
    location /away/ { return 302 http://127.0.0.2:1$request_uri; }
    location /gone/ { return 410; }
    location /old/ { add_header Cache-Control "max-age=1000"; }
}
`

// Static starts nginx for the files of a folder, until the test ends, and
// returns its URL. Below /moved/ it redirects to them, below /away/ to another
// server; below /gone/ there are none any more, and those below /old/ may be
// kept for a while.
func Static(t testing.TB, files string) string {
	t.Helper()
	p := &proxy{tool: "nginx", ready: "start worker processes"}
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
