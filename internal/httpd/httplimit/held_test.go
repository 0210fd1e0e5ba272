package httplimit_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/httpd/httplimit"
)

// A request that waits keeps what is read of its header, and nothing else of it. Not
// parallel: it looks at the memory of the whole process.
func TestARequestThatWaitsLetsItsHeaderGo(t *testing.T) { //nolint:paralleltest // see above
	const requests, size = 200, 28_000
	var fields strings.Builder
	for i := range 250 {
		fmt.Fprintf(&fields, "X-%0100d:\r\n", i)
	}
	for name, header := range map[string]string{
		"one long field": "X-Other: " + strings.Repeat("x", size) + "\r\n",
		"many fields":    fields.String(),
		"with a body":    "Content-Length: 1\r\nX-Other: " + strings.Repeat("x", size) + "\r\n",
	} {
		waiting, end := make(chan struct{}), make(chan struct{})
		address := serveOver(t, httplimit.Config{Fields: []string{"Accept"}}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			waiting <- struct{}{}
			<-end
		}))
		before := inUse()
		var conns []net.Conn
		for range requests {
			conn := dialTo(t, address)
			conns = append(conns, conn)
			_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nAccept: a/b\r\n"+header+"\r\n")
			okOrExit(t, err)
			<-waiting
		}
		each := (inUse() - before) / requests
		close(end)
		for _, conn := range conns {
			okOrExit(t, conn.Close())
		}
		if each > size*2/3 {
			t.Errorf("%s: a request of %d bytes keeps %d", name, size, each)
		}
	}
}

func inUse() int {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc)
}
