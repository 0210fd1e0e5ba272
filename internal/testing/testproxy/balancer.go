//go:build unix

package testproxy

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Balancers put one address in front of several servers, given by their addresses, until the test
// ends, and return its URL. They keep nothing and check no server's health.
var Balancers = map[string]func(t testing.TB, servers ...string) string{
	"requests in turn":    requestsInTurn,
	"connections in turn": connectionsInTurn,
}

// balancerConfig has a timeout longer than the server holds a request.
const balancerConfig = `%[1]s
daemon off;
worker_processes 1;
pid %[2]s/nginx.pid;
error_log stderr notice;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path %[2]s/body;
    fastcgi_temp_path %[2]s/fastcgi;
    proxy_temp_path %[2]s/proxy;
    scgi_temp_path %[2]s/scgi;
    uwsgi_temp_path %[2]s/uwsgi;
    upstream servers { %[3]s keepalive 16; }
    server {
        listen 127.0.0.1:%[4]d;
        location / {
            proxy_pass http://servers;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_read_timeout 120s;
        }
    }
}
`

// requestsInTurn gives each server a request in turn, by nginx.
func requestsInTurn(t testing.TB, servers ...string) string {
	t.Helper()
	p := &proxy{tool: "nginx", ready: "start worker processes"}
	return p.start(t, func(folder string, listen int) []string {
		user := ""
		if os.Getuid() == 0 {
			user = "user root;" // the folder is ours alone
		}
		upstream := "server " + strings.Join(servers, "; server ") + ";"
		write(t, filepath.Join(folder, "nginx.conf"), fmt.Sprintf(balancerConfig, user, folder, upstream, listen))
		return []string{"-e", "stderr", "-p", folder, "-c", filepath.Join(folder, "nginx.conf")}
	})
}

// connectionsInTurn gives each server a connection in turn, as a Kubernetes Service does. A server
// that does not listen is left out.
func connectionsInTurn(t testing.TB, servers ...string) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for turn := 0; ; turn++ {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go passToFirst(client, append(servers[turn%len(servers):len(servers):len(servers)], servers[:turn%len(servers)]...))
		}
	}()
	return "http://" + listener.Addr().String()
}

// passToFirst connects a client with the first server that listens.
func passToFirst(client net.Conn, servers []string) {
	defer func() { _ = client.Close() }()
	for _, address := range servers {
		server, err := net.Dial("tcp", address) //nolint:noctx // it ends with its listener's process
		if err == nil {
			passBothWays(client, server)
			return
		}
	}
}

// passBothWays passes on what two connections send one another, until one of them
// ends, and closes the server's.
func passBothWays(client, server net.Conn) {
	defer func() { _ = server.Close() }()
	ended := make(chan struct{}, 2)
	pass := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		ended <- struct{}{}
	}
	go pass(server, client)
	go pass(client, server)
	<-ended
}
