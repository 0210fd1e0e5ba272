package fetch_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/fetch"
)

// TestNameThatDoesNotResolveIsWaitedForByAFollowerOnly: containers are started in
// any order, and elsewhere it is a mistake.
func TestNameThatDoesNotResolveIsWaitedForByAFollowerOnly(t *testing.T) {
	t.Parallel()
	target := &url.URL{Scheme: "http", Host: "nowhere.invalid", Path: "/feeds/f"}
	for patience, waits := range map[time.Duration]bool{time.Hour: false, -1: true} {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		c := &fetch.Client{HTTP: http.DefaultClient, Logger: slog.New(slog.DiscardHandler), Patience: patience}
		_, err := c.Get(ctx, target)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) != waits {
			t.Errorf("with patience %v: %v", patience, err)
		}
	}
}
