package walk_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// TestDeltaIsAskedForWithTheDocumentThatItGoesOnFrom holds RFC 3229 section
// 10.5.3: a request with A-IM names the documents that its sender has; and one
// without a tag asks for none.
func TestDeltaIsAskedForWithTheDocumentThatItGoesOnFrom(t *testing.T) {
	t.Parallel()
	for name, tagged := range map[string]bool{"with ETags": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				sent, last := "", 1
				handler := func(w http.ResponseWriter, r *http.Request) {
					asks := r.Header.Get("A-IM") == "feed" && r.Header.Get("Prefer") != ""
					if have := r.Header.Get("If-None-Match"); have != sent || asks != (sent != "") {
						t.Errorf("If-None-Match %q with A-IM %q and Prefer %q, after %q", have, r.Header.Get("A-IM"), r.Header.Get("Prefer"), sent)
					}
					time.Sleep(3 * time.Second)
					last++
					body, etag := document(1, last)
					if tagged {
						w.Header().Set("ETag", etag)
						sent = etag
					}
					_, _ = w.Write(body)
				}
				p, head, _ := followFor(t, time.Minute, &http.Client{}, handler, 30*time.Second)
				if len(p.requests) < 10 || head.Last < 10 {
					t.Errorf("%d requests, up to position %d", len(p.requests), head.Last)
				}
			})
		})
	}
}
