package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// TestServerWaitsForItsDatabase, and says so once; what does not pass by waiting ends
// it at once.
func TestServerWaitsForItsDatabase(t *testing.T) {
	t.Parallel()
	starting, password := &pgconn.PgError{Code: "57P03"}, &pgconn.PgError{Code: "28P01"}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for name, test := range map[string]struct {
		ctx     context.Context
		errs    []error
		want    error
		say     int
		attempt int
	}{
		"it is there":                 {t.Context(), []error{nil}, nil, 0, 1},
		"it is starting":              {t.Context(), []error{starting, starting, nil}, nil, 2, 3},
		"the password is wrong":       {t.Context(), []error{password}, password, 0, 1},
		"it starts, and then says no": {t.Context(), []error{starting, password}, password, 1, 2},
		"the server is stopped":       {stopped, []error{starting}, starting, 0, 1},
	} {
		var said strings.Builder
		attempt := 0
		err := awaitDatabase(test.ctx, slog.New(slog.NewTextHandler(&said, nil)), func() error {
			attempt++
			return test.errs[attempt-1]
		})
		if !errors.Is(err, test.want) || attempt != test.attempt || strings.Count(said.String(), "\n") != test.say {
			t.Errorf("%s: %v after %d attempts, said:\n%s", name, err, attempt, said.String())
		}
	}
}
