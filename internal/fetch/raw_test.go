package fetch_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// tryRaw tries a request that is answered with these bytes, after which the
// connection is closed.
func tryRaw(t *testing.T, bytes string) (*fetch.Response, error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must.OK(t, err)
	defer func() { _ = listener.Close() }()
	go func() {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		if _, err := http.ReadRequest(bufio.NewReader(connection)); err == nil {
			_, _ = io.WriteString(connection, bytes)
		}
		_ = connection.Close()
	}()
	return newClient().Try(t.Context(), parse(t, "http://"+listener.Addr().String()))
}
