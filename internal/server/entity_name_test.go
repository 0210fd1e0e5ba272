package server_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/server"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

// TestANameThatNoEventCanHaveIsTheClientsError, and not a failure of the database, whatever that is.
func TestANameThatNoEventCanHaveIsTheClientsError(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		storetest.CreateWithEntities(t, l, "f")
		storetest.Append(t, l, "f", about("o-1", 1, 1))
		storetest.Drain(t, l, "f")
		var log bytes.Buffer
		s := servertest.Publish(t, l, allowAppend, func(c *server.Config) {
			c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		})
		long := strings.Repeat("x", 1025)
		for _, path := range []string{
			"entities/?subject=%00", "entities/?subject=a%00b", "entities/?subject=%FF", "entities/?subject=" + long, "entities/%00", "entities/%FF", "entities/" + long,
			"entities/archive/x/1?subject=%00", "entities/archive/x/1?subject=%FF", "entities/%00/archive/x/1", "entities/" + long + "/archive/x/1",
			"events/?id=%00", "events/?id=%FF", "events/?id=" + long[:256], "events/%00", "events/%FF", "events/" + long[:256],
			"events/o-1.1?source=%00", "events/o-1.1?source=%FF", "events/o-1.1?source=" + long,
		} {
			for _, accept := range []string{"application/atom+xml", "text/html"} {
				if response, body := do(t, "GET", s.URL+"/feeds/f/"+path, "Accept", accept); response.StatusCode != http.StatusBadRequest {
					t.Errorf("GET %.60s as %s: %s %.300s", path, accept, response.Status, body)
				}
			}
			if !strings.HasPrefix(path, "entities/") || strings.Contains(path, "archive") {
				continue
			}
			if status, answer := postEntity(t, s.URL+"/feeds/f/"+path, []string{"x"}); status != http.StatusBadRequest {
				t.Errorf("POST %.60s: %d %+v", path, status, answer)
			}
		}
		for _, path := range []string{"entities/?subject=" + long[1:], "entities/" + long[1:], "entities/?subject=%01", "entities/?subject=%E2%80%AE", "events/" + long[:255], "events/o-1.1?source=" + long[1:]} {
			if response, body := do(t, "GET", s.URL+"/feeds/f/"+path); response.StatusCode != http.StatusNotFound {
				t.Errorf("%.60s: %s %s", path, response.Status, body)
			}
		}
		if strings.Contains(log.String(), "cannot answer") {
			t.Errorf("log: %s", log.String())
		}
	})
}
