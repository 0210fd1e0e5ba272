//go:build unix

package proxies_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/compress"
	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// patience is how long anything may take before a test gives up; nothing hangs on it.
const patience = time.Minute

// answer is a response with its whole body.
type answer struct {
	*http.Response
	body []byte
}

// plain has no opinion of its own on codings, which the standard library's own client has.
var plain = &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}}

// request makes a request with header fields in pairs; a field given twice is sent in two lines.
func request(ctx context.Context, t *testing.T, method, url string, header ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, url, http.NoBody)
	must.OK(t, err)
	r.Header.Set("User-Agent", "")
	for i := 0; i < len(header); i += 2 {
		r.Header[header[i]] = append(r.Header[header[i]], header[i+1])
	}
	return r
}

// do sends a request and reads the answer.
func do(t *testing.T, method, url string, header ...string) answer {
	t.Helper()
	response, err := plain.Do(request(t.Context(), t, method, url, header...))
	if err != nil {
		t.Error(err)
		return answer{Response: &http.Response{Header: http.Header{}}}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Errorf("%s %s: %v", method, url, err)
	}
	return answer{response, body}
}

// text is the body, unpacked.
func (a answer) text(t *testing.T) string {
	t.Helper()
	text, err := a.body, error(nil)
	switch coding := a.Header.Get("Content-Encoding"); coding {
	case "":
	case "zstd":
		text, err = compress.Unzstd(a.body)
	case "gzip":
		var r *gzip.Reader
		if r, err = gzip.NewReader(bytes.NewReader(a.body)); err == nil {
			text, err = io.ReadAll(r)
		}
	default:
		t.Errorf("%s: nobody asked for Content-Encoding %q", a.Request.URL, coding)
	}
	if err != nil {
		t.Errorf("%s: %v", a.Request.URL, err)
	}
	return string(text)
}

// await asks again and again, until an answer is as it should be.
func await(t *testing.T, what string, ask func() answer, wanted func(answer) bool) answer {
	t.Helper()
	var last answer
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if last = ask(); wanted(last) {
			return last
		}
	}
	t.Fatalf("never %s: %d %v\n%.300s", what, last.StatusCode, last.Header, last.body)
	return last
}
