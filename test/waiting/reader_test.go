//go:build linux

package waiting_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// reader is a connection with a request on it. Nothing else is kept of it, and
// no goroutine: the test holds as many as the servers do.
type reader struct {
	conn  net.Conn
	delta bool
}

// each does something with all readers, some at a time.
func each(t *testing.T, readers []*reader, do func(i int, r *reader) error) {
	t.Helper()
	var all sync.WaitGroup
	const atOnce = 16
	for first := range atOnce {
		all.Go(func() {
			for i := first; i < len(readers); i += atOnce {
				if err := do(i, readers[i]); err != nil {
					t.Errorf("reader %d: %v", i, err)
					return
				}
			}
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// connect returns readers that are connected to a server until the end of the
// test. Every other one takes deltas. Each begins with a first request at once: a
// server cuts connections that ask for nothing.
func connect(t *testing.T, s *server, count int, first func(r *reader) error) []*reader {
	t.Helper()
	readers := make([]*reader, count)
	for i := range readers {
		readers[i] = &reader{delta: i%2 == 0}
	}
	t.Cleanup(func() {
		for _, r := range readers {
			if r.conn != nil {
				_ = r.conn.Close()
			}
		}
	})
	each(t, readers, func(_ int, r *reader) (err error) {
		r.conn, err = (&net.Dialer{Timeout: patience}).DialContext(t.Context(), "tcp", s.address)
		if err != nil {
			return err
		}
		if err := r.conn.SetDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		return first(r)
	})
	return readers
}

// ask sends a request, and does not wait for its answer.
func (r *reader) ask(path string, header ...string) error {
	request := "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n"
	for i := 0; i < len(header); i += 2 {
		request += header[i] + ": " + header[i+1] + "\r\n"
	}
	_, err := io.WriteString(r.conn, request+"\r\n")
	return err
}

// start reads the feed as it is, as readers do first.
func (r *reader) start(known *documents) error {
	if err := r.ask("/feeds/f"); err != nil {
		return err
	}
	return r.takes(http.StatusOK, 50, known)
}

// wait asks for what comes after a version of the feed.
func (r *reader) wait(tag string) error {
	header := []string{"If-None-Match", tag, "Prefer", fmt.Sprintf("wait=%d", patience/time.Second)}
	if r.delta {
		header = append(header, "A-IM", "feed")
	}
	return r.ask("/feeds/f", header...)
}

// waitOn asks again if the answer is that nothing is new, as every follower does: a server
// that hears nothing from its database for some seconds lets nobody wait for long.
func (r *reader) waitOn(tag string) error {
	if err := r.conn.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		return err
	}
	buffered := bufio.NewReader(r.conn)
	_, err := buffered.Peek(1)
	if err := r.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil // it waits
	}
	if _, err := answered(buffered, http.StatusNotModified); err != nil {
		return err
	}
	return r.wait(tag)
}

// takesNew checks that the event at a position has come.
func (r *reader) takesNew(tag string, position int64, known *documents) error {
	status := http.StatusOK
	if r.delta {
		status = http.StatusIMUsed
	}
	for {
		err := r.takes(status, position, known)
		if !errors.Is(err, errNothingNew) {
			return err
		}
		if err := r.wait(tag); err != nil {
			return err
		}
	}
}

// takes checks that one answer has come, which ends at a position.
func (r *reader) takes(status int, position int64, known *documents) error {
	body, err := answered(bufio.NewReader(r.conn), status)
	if err != nil {
		return err
	}
	return known.check(string(body), position, status == http.StatusIMUsed)
}

var errNothingNew = errors.New("nothing is new")

// answered reads one answer and nothing behind it. It returns errNothingNew for a 304 that
// was not wanted.
func answered(buffered *bufio.Reader, status int) ([]byte, error) {
	response, err := http.ReadResponse(buffered, nil)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != status && response.StatusCode == http.StatusNotModified && buffered.Buffered() == 0 {
		return nil, errNothingNew
	}
	if response.StatusCode != status || buffered.Buffered() > 0 {
		return nil, fmt.Errorf("answered %s, and %d bytes behind it; want %d", response.Status, buffered.Buffered(), status)
	}
	return body, nil
}

// documents are those that were checked. Readers get the same bytes, so it is
// few.
type documents struct {
	mu    sync.Mutex
	known map[string]bool
}

func (k *documents) check(body string, position int64, delta bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known[body] {
		return nil
	}
	d, err := feed.Decode([]byte(body))
	if err != nil {
		return err
	}
	if err := d.Check(); err != nil {
		return err
	}
	if d.Last != position || delta && len(d.Entries) != 1 {
		return fmt.Errorf("%d entries up to position %d, want the one at position %d", len(d.Entries), d.Last, position)
	}
	k.known[body] = true
	return nil
}

// streamed checks that a stream has brought the event at a position, and no
// other since the last.
func streamed(lines *bufio.Reader, position int64) error {
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return err
		}
		id, isID := strings.CutPrefix(line, "id: ")
		switch {
		case !isID:
			continue
		case id != fmt.Sprintf("%d\n", position):
			return fmt.Errorf("event %q, want position %d", id, position)
		}
		line, err = lines.ReadString('\n')
		if err != nil {
			return err
		}
		data, _ := bytes.CutPrefix([]byte(line), []byte("data: "))
		_, err = cloudevents.ParseJSON(data)
		return err
	}
}
