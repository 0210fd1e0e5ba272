//go:build unix

package testrabbit

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// erlang starts a node as rabbitmq-server does, with one scheduler that does not spin while it waits.
// The script itself waits for signals in a shell, and refuses users other than root and rabbitmq.
var erlang = []string{
	"erl", "-noinput", "-s", "rabbit", "boot", "-boot", "start_sasl",
	"+W", "w", "+S", "1:1", "+SDio", "1", "+A", "1", "+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none",
	"-syslog", "logger", "[]", "-syslog", "syslog_error_logger", "false",
	"-kernel", "prevent_overlapping_partitions", "false",
}

// configuration has the ports of AMQP without and with TLS, and those of the stream protocol. A
// certificate logs its common name in, if the client asks for that (SASL EXTERNAL).
const configuration = `
listeners.tcp.1 = 127.0.0.1:%d
listeners.ssl.1 = 127.0.0.1:%d
stream.listeners.tcp.1 = 127.0.0.1:%d
stream.listeners.ssl.1 = 127.0.0.1:%d
ssl_options.cacertfile = authority.pem
ssl_options.certfile = certificate.pem
ssl_options.keyfile = key.pem
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = false
auth_mechanisms.1 = PLAIN
auth_mechanisms.2 = EXTERNAL
ssl_cert_login_from = common_name
`

// configure writes what the node reads when it starts.
func (n *Node) configure(t testing.TB) {
	t.Helper()
	certificate, key := n.Authority.Issue(t, "rabbitmq", time.Now().Add(24*time.Hour))
	for name, content := range map[string][]byte{
		"authority.pem":   n.Authority.PEM,
		"certificate.pem": certificate,
		"key.pem":         key,
		"rabbitmq.conf":   fmt.Appendf(nil, configuration, n.ports.amqp, n.ports.tls, n.ports.stream, n.ports.streamTLS),
		"enabled_plugins": []byte("[rabbitmq_auth_mechanism_ssl, rabbitmq_stream].\n"),
	} {
		must.OK(t, os.WriteFile(filepath.Join(n.folder, name), content, 0o600))
	}
	n.linkLibraries(t)
}

// linkLibraries makes a folder of RabbitMQ's libraries without those that only plugins need. The node
// reads every module of every library that it finds: with all of them a start takes twice as long.
func (n *Node) linkLibraries(t testing.TB) {
	t.Helper()
	script, err := filepath.EvalSymlinks(n.server)
	must.OK(t, err)
	libraries, err := filepath.Glob(filepath.Join(filepath.Dir(script), "..", "plugins", "*", "ebin"))
	must.OK(t, err)
	if len(libraries) == 0 {
		t.Fatalf("RabbitMQ's libraries are not in ../plugins of %s", script)
	}
	folder := filepath.Join(n.folder, "libraries")
	must.OK(t, os.MkdirAll(folder, 0o700))
	for _, ebin := range libraries {
		library := filepath.Dir(ebin)
		name, _, _ := strings.Cut(filepath.Base(library), "-")
		if onlyOfPlugins(name) {
			continue
		}
		link := filepath.Join(folder, filepath.Base(library))
		if _, err := os.Lstat(link); err != nil {
			must.OK(t, os.Symlink(library, link))
		}
	}
}

func onlyOfPlugins(library string) bool {
	switch library {
	case "rabbitmq_prelaunch", "rabbitmq_auth_mechanism_ssl", "rabbitmq_stream", "rabbitmq_stream_common":
		return false
	case "accept", "amqp10_client", "cowboy", "cowlib", "eetcd", "gun", "jose", "prometheus", "quantile_estimator":
		return true
	}
	return strings.HasPrefix(library, "rabbitmq_")
}

// name is the node's, in its own epmd.
const name = "test@localhost"

// environment is all that the node, rabbitmqctl and erl_call get: nothing of the machine's RabbitMQ.
func (n *Node) environment() []string {
	in := func(name string) string { return filepath.Join(n.folder, name) }
	return []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + n.folder, // holds the cookie
		"LANG=C.UTF-8",
		"ERL_CRASH_DUMP_SECONDS=0",
		fmt.Sprintf("ERL_EPMD_PORT=%d", n.ports.epmd),
		"ERL_EPMD_ADDRESS=127.0.0.1",
		"ERL_LIBS=" + in("libraries"),
		"RABBITMQ_NODENAME=" + name,
		fmt.Sprintf("RABBITMQ_DIST_PORT=%d", n.ports.distribution),
		"RABBITMQ_CONF_ENV_FILE=" + in("none"),
		"RABBITMQ_CONFIG_FILE=" + in("rabbitmq.conf"),
		"RABBITMQ_ADVANCED_CONFIG_FILE=" + in("none"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + in("enabled_plugins"),
		"RABBITMQ_PLUGINS_DIR=" + in("libraries"),
		"RABBITMQ_MNESIA_BASE=" + in("data"),
		"RABBITMQ_LOG_BASE=" + in("log"),
		"RABBITMQ_LOGS=-",
	}
}
