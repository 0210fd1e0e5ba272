package fetch_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/eventfeed/eventfeed/internal/compress"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/fetch"
)

// codings are the ways in which a body may be sent.
var codings = map[string]func([]byte) (coding string, body []byte){
	"as it is":             func(b []byte) (string, []byte) { return "", b },
	"gzip":                 func(b []byte) (string, []byte) { return "gzip", compress.Gzip(b) },
	"zstd":                 func(b []byte) (string, []byte) { return "zstd", compress.Zstd(b) },
	"zstd, several frames": func(b []byte) (string, []byte) { return "zstd", append(compress.Zstd(b[:9]), compress.Zstd(b[9:])...) },
	"zstd without a size": func(b []byte) (string, []byte) {
		var stream bytes.Buffer
		w, _ := zstd.NewWriter(&stream)
		_, _ = io.Copy(w, bytes.NewReader(b))
		_ = w.Close()
		return "zstd", stream.Bytes()
	},
}

// answering serves a body, in chunks or with its length.
func answering(coding string, body []byte, chunked bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if coding != "" {
			w.Header().Set("Content-Encoding", coding)
		}
		if chunked {
			_ = http.NewResponseController(w).Flush()
		}
		_, _ = w.Write(body)
	}
}

// TestDocumentIsBoundedByItsKind: one that is not eventfeed's own by MaxDocument, one of
// eventfeed's own only by what pages can be.
func TestDocumentIsBoundedByItsKind(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	document := func(start string, size int) []byte { return []byte(start + strings.Repeat(" ", size-len(start))) }
	for name, encode := range codings {
		for _, chunked := range []bool{false, true} {
			for _, test := range []struct {
				start string
				size  int
				large bool
			}{
				{"<feed>", limit, false},
				{"<feed>", limit + 1, true},
				{"<feed>", 5 * limit, true},
				{`<feed xmlns:e="` + feed.Namespace + `">`, 5 * limit, false},
				{`<feed>` + strings.Repeat(" ", 64<<10) + feed.Namespace, 5 * limit, true},
			} {
				body := document(test.start, test.size)
				coding, sent := encode(body)
				client := newClient()
				client.MaxDocument = limit
				got, err := client.Get(t.Context(), parse(t, serve(t, answering(coding, sent, chunked)).URL))
				var large *fetch.TooLargeError
				if test.large && (!errors.As(err, &large) || large.Limit != limit || !errors.Is(err, fetch.ErrBody)) {
					t.Errorf("%s, %.9s… of %d bytes: %v", name, test.start, test.size, err)
				}
				if !test.large && (err != nil || !bytes.Equal(got.Body, body)) {
					t.Errorf("%s, %.9s… of %d bytes: %v", name, test.start, test.size, err)
				}
			}
		}
	}
}

// TestErrorsAreReadToABound: no more is read of an answer that is no document.
func TestErrorsAreReadToABound(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	done := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		defer close(done)
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusForbidden)
		piece := []byte("no\n" + strings.Repeat("x", 1<<20))
		for range 100 {
			n, err := w.Write(piece)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	_, err := newClient().Get(t.Context(), parse(t, s.URL))
	if err == nil || !strings.HasSuffix(err.Error(), "server answered 403 Forbidden: no") {
		t.Error(err)
	}
	if <-done; sent.Load() > 50<<20 {
		t.Errorf("%d bytes were taken", sent.Load())
	}
}

// room is a room that is full until it is waited for.
type room struct {
	sync.Mutex
	size, held, most int64
	waits            int
}

func (r *room) TryHold(n int64) bool {
	r.Lock()
	defer r.Unlock()
	if n > r.size {
		return false
	}
	r.held, r.most = n, max(r.most, n)
	return true
}

func (r *room) Hold(_ context.Context, n int64) error {
	r.Lock()
	defer r.Unlock()
	if n > r.size {
		r.size = n
		r.waits++
	}
	r.held = n
	return nil
}

// TestNoByteIsReadWithoutRoom: where there is none the request ends, so that no server
// waits for a reader that waits, and is sent again.
func TestNoByteIsReadWithoutRoom(t *testing.T) {
	t.Parallel()
	const size = 10 << 20
	body := []byte("<feed>" + strings.Repeat(" ", size))
	for name, encode := range codings {
		for _, chunked := range []bool{false, true} {
			coding, sent := encode(body)
			r := &room{size: 100 << 10}
			var requests atomic.Int64
			answer := answering(coding, sent, chunked)
			s := serve(t, func(w http.ResponseWriter, q *http.Request) { requests.Add(1); answer(w, q) })
			client := newClient()
			client.Patience = 1 // a request that ends for want of room is none that failed
			got, err := client.Get(fetch.WithRoom(t.Context(), r), parse(t, s.URL))
			if err != nil || !bytes.Equal(got.Body, body) {
				t.Fatalf("%s: %v", name, err)
			}
			if r.waits == 0 || int64(r.waits+1) != requests.Load() || r.most < size || r.held > 2*size {
				t.Errorf("%s: %d requests, %d waits, %d bytes at most, %d at the end", name, requests.Load(), r.waits, r.most, r.held)
			}
		}
	}
}

// TestLinkLocalAddressesAreKnown, in every notation, and by their names.
func TestLinkLocalAddressesAreKnown(t *testing.T) {
	t.Parallel()
	for _, host := range []string{
		"169.254.169.254", "169.254.0.1:8080", "[fe80::1]", "[fe80::1%25eth0]:80", "[fd00:ec2::254]", "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]",
		"100.100.100.200", "192.0.0.192", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.16689662", "169.254.169.254.",
		"metadata.google.internal", "Metadata.Google.Internal.", "metadata", "x.metadata.google.internal", "instance-data.ec2.internal", "metadata.google.internal..",
		"169。254。169。254", "１６９.２５４.１６９.２５４", "ｍetadata.google.internal", "metadata.google.internal。", "[64:ff9b:1::169.254.169.254]", "[::ffff:0:a9fe:a9fe]", "[fd00:42::42]", "rancher-metadata",
	} {
		if !fetch.IsLinkLocal(t.Context(), parse(t, "http://"+host+"/x")) {
			t.Errorf("%s is not known", host)
		}
	}
	for _, host := range []string{"127.0.0.1", "localhost", "10.0.0.1:80", "[::1]", "[2001:db8::1]", "192.168.1.1", "no-such-name.invalid", "xn--a.invalid", "0xfeed.invalid", "köln.invalid", "my_host.invalid"} {
		if fetch.IsLinkLocal(t.Context(), parse(t, "http://"+host+"/x")) {
			t.Errorf("%s is no link-local address", host)
		}
	}
}

// TestRedirectToALinkLocalAddressIsNoAdvice: what a server says of where the feed is now.
func TestRedirectToALinkLocalAddressIsNoAdvice(t *testing.T) {
	t.Parallel()
	for target, advised := range map[string]bool{"http://169.254.169.254/latest": false, "http://metadata.google.internal/": false, "http://127.0.0.2:1/": true} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, target, http.StatusFound) })
		_, err := newClient().Get(t.Context(), parse(t, s.URL))
		if err == nil || !strings.Contains(err.Error(), "leads to another origin") || strings.Contains(err.Error(), "give that URL") != advised {
			t.Errorf("%s: %v", target, err)
		}
	}
}

// TestLongURLsAreNotAskedFor: of a redirect or of a document.
func TestLongURLsAreNotAskedFor(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.Header().Set("Location", "/"+strings.Repeat("x", fetch.MaxURL))
		w.WriteHeader(http.StatusFound)
	})
	for want, path := range map[string]string{"cannot follow the redirect: its URL has more than 8000 bytes": "/", "the limit is 8000": "/" + strings.Repeat("x", fetch.MaxURL)} {
		_, err := newClient().Get(t.Context(), parse(t, s.URL+path))
		if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 2*fetch.MaxURL || fetch.MayPass(err) {
			t.Errorf("%.99s: %v", path, err)
		}
	}
	if requests.Load() != 1 {
		t.Errorf("%d requests", requests.Load())
	}
}
