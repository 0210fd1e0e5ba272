package fetch_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/compress"
	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// TestAnswerThatStallsIsAskedForAgain: a server that sends nothing more, and
// keeps the connection, is no different from one that has gone.
func TestAnswerThatStallsIsAskedForAgain(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	ended := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == 1 {
			_, _ = w.Write([]byte("<feed"))
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			close(ended)
			return
		}
		for range 6 { // slower in all than it may stall, and never still for so long
			_, _ = w.Write([]byte("<feed/>"))
			_ = http.NewResponseController(w).Flush()
			time.Sleep(100 * time.Millisecond)
		}
	})
	client := newClient()
	client.Stall = 500 * time.Millisecond
	_, err := client.Try(t.Context(), parse(t, s.URL))
	if err == nil || err.Error() != "the response was cut off: no data arrived for 500ms" || !fetch.MayPass(err) {
		t.Errorf("the first answer: %v", err)
	}
	<-ended
	got, err := client.Get(t.Context(), parse(t, s.URL))
	must.OK(t, err)
	if string(got.Body) != strings.Repeat("<feed/>", 6) {
		t.Errorf("%q", got.Body)
	}
}

// TestWhatWasCutOffIsAskedForAgain: whether the length says it, the chunks or
// the compression, wherever the cut is.
func TestWhatWasCutOffIsAskedForAgain(t *testing.T) {
	t.Parallel()
	plain := []byte(strings.Repeat("<entry>and more</entry>\n", 9) + fmt.Sprint(time.Now()))
	for coding, whole := range map[string][]byte{"": plain, "zstd": compress.Zstd(plain), "gzip": compress.Gzip(plain)} {
		for cut := range whole {
			for _, framing := range []string{"length", "chunks", "close"} {
				if framing == "close" && coding == "" {
					continue // nobody can see that, but who reads the document
				}
				header := map[string]string{"length": fmt.Sprintf("Content-Length: %d\r\n", len(whole)), "chunks": "Transfer-Encoding: chunked\r\n"}[framing]
				body := string(whole[:cut])
				if framing == "chunks" {
					body = fmt.Sprintf("%x\r\n%s", len(whole), body)
				}
				if coding != "" {
					header += "Content-Encoding: " + coding + "\r\n"
				}
				_, err := tryRaw(t, "HTTP/1.1 200 OK\r\nConnection: close\r\n"+header+"\r\n"+body)
				if err == nil || !fetch.MayPass(err) || !strings.HasPrefix(err.Error(), "the response was cut off: ") {
					t.Errorf("%s, cut at %d, %s: %v", coding, cut, framing, err)
				}
			}
		}
		if got, err := tryRaw(t, "HTTP/1.1 200 OK\r\nContent-Encoding: "+coding+"\r\n\r\n"+string(whole)); err != nil || !bytes.Equal(got.Body, plain) {
			t.Errorf("%s, whole: %v", coding, err)
		}
	}
}

// TestAnswerWithoutALengthIsWholeIfItsDocumentIs: HTTP/1.0, and some proxies,
// end an answer with the connection.
func TestAnswerWithoutALengthIsWholeIfItsDocumentIs(t *testing.T) {
	t.Parallel()
	const begin, feed = "<?xml version='1.0'?>\n<feed", " a='b'><title>x &lt; y</title><!-- c --></feed><!-- made in 5 ms -->\n"
	for cut := range len(feed) {
		_, err := tryRaw(t, "HTTP/1.0 200 OK\r\n\r\n"+begin+feed[:cut])
		if whole := strings.Contains(feed[:cut], "</feed>"); !whole && cut > 6 && (err == nil || !fetch.MayPass(err)) {
			t.Errorf("cut behind %q: %v", feed[:cut], err)
		}
	}
	for _, body := range []string{begin + feed, "<html><p>not closed", "{", "no XML", ""} {
		if got, err := tryRaw(t, "HTTP/1.0 200 OK\r\n\r\n"+body); err != nil || string(got.Body) != body {
			t.Errorf("%q: %v", body, err)
		}
	}
}

// TestBombsAreRefused: bytes are bounded before and after decompression.
func TestBombsAreRefused(t *testing.T) {
	t.Parallel()
	zeros := make([]byte, 64<<20)
	var part bytes.Buffer
	for range 5 { // frames and members that are small enough each
		part.Write(compress.Zstd(zeros))
	}
	members := bytes.Repeat(compress.Gzip(zeros), 5)
	for name, raw := range map[string]string{
		"frames":   "Content-Encoding: zstd\r\n\r\n" + part.String(),
		"members":  "Content-Encoding: gzip\r\n\r\n" + string(members),
		"length":   fmt.Sprintf("Content-Length: %d\r\n\r\n", compress.MaxBody+1),
		"no zstd":  "Content-Encoding: zstd\r\n\r\n<feed/>",
		"no gzip":  "Content-Encoding: gzip\r\n\r\n<feed/>, which is none",
		"a window": "Content-Encoding: zstd\r\n\r\n\x28\xb5\x2f\xfd\x00\xff\x00\x00\x00",
	} {
		_, err := tryRaw(t, "HTTP/1.1 200 OK\r\nConnection: close\r\n"+raw)
		if !errors.Is(err, fetch.ErrBody) || fetch.MayPass(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, raw := range map[string]string{
		"header": "HTTP/1.1 200 OK\r\nX-Long: " + strings.Repeat("x", 1<<20) + "\r\n\r\n",
		"coding": "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\nx",
		"smtp":   "220 mail.example ESMTP\r\n",
		"tls":    "\x15\x03\x01\x00\x02\x02\x16",
	} {
		if _, err := tryRaw(t, raw); err == nil || fetch.MayPass(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
