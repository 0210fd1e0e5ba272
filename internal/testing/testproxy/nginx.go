//go:build unix

package testproxy

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// nginxConfig is what stands around the file of deploy/, as a distribution's own nginx.conf does.
const nginxConfig = `%s
daemon off;
worker_processes 2;
pid %[2]s/nginx.pid;
error_log stderr notice;
events { worker_connections 4096; }
http {
    log_format cache '$request_method $request_uri $status $upstream_cache_status $upstream_status '
                     'accept-encoding="$http_accept_encoding" accept="$http_accept" a-im="$http_a_im" prefer="$http_prefer"';
    access_log %[2]s/log cache;
    client_body_temp_path %[2]s/body;
    fastcgi_temp_path %[2]s/fastcgi;
    proxy_temp_path %[2]s/proxy;
    scgi_temp_path %[2]s/scgi;
    uwsgi_temp_path %[2]s/uwsgi;
    gzip on; # as Debian has it
    include %[2]s/eventfeed.conf;
}
`

// Nginx is a [Start] for nginx with deploy/nginx.conf.
func Nginx(t testing.TB, upstream string) string {
	t.Helper()
	name, port := host(t, upstream)
	p := &proxy{tool: "nginx", ready: "start worker processes"}
	return p.start(t, func(folder string, listen int) []string {
		write(t, filepath.Join(folder, "eventfeed.conf"), deployed(t, "nginx.conf", map[string]string{
			"server 127.0.0.1:8080;":     fmt.Sprintf("server %s:%s;", name, port),
			"/var/cache/nginx/eventfeed": filepath.Join(folder, "cache"),
			"listen 80;":                 fmt.Sprintf("listen 127.0.0.1:%d;", listen),
		}))
		user := ""
		if os.Getuid() == 0 {
			user = "user root;" // the folder is ours alone
		}
		write(t, filepath.Join(folder, "nginx.conf"), fmt.Sprintf(nginxConfig, user, folder))
		return []string{"-e", "stderr", "-p", folder, "-c", filepath.Join(folder, "nginx.conf")}
	})
}
