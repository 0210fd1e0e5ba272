package testnats

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// Old returns the address of what greets clients as a server of an old version, such as 2.8.4, and
// answers nothing but a ping.
func Old(t testing.TB, version string) (address string) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must.OK(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go greet(connection, version)
		}
	}()
	return listener.Addr().String()
}

func greet(connection net.Conn, version string) {
	defer func() { _ = connection.Close() }()
	info := `INFO {"server_id":"OLD","version":"` + version + `","proto":1,"headers":true,"jetstream":true,"max_payload":1048576}` + "\r\n"
	if _, err := io.WriteString(connection, info); err != nil {
		return
	}
	for lines := bufio.NewScanner(connection); lines.Scan(); {
		if strings.TrimSpace(lines.Text()) == "PING" {
			_, _ = io.WriteString(connection, "PONG\r\n")
		}
	}
}
