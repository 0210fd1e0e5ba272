package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestWhatMayPassInPostgreSQL(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"the server is shutting down":     {&pgconn.PgError{Code: "57P01"}, true},
		"the server is starting":          {&pgconn.PgError{Code: "57P03"}, true},
		"too many connections":            {&pgconn.PgError{Code: "53300"}, true},
		"a deadlock":                      {&pgconn.PgError{Code: "40P01"}, true},
		"the connection broke":            {&net.OpError{Op: "read", Err: errors.New("connection reset by peer")}, true},
		"the server was killed":           {io.ErrUnexpectedEOF, true},
		"the server was killed at a copy": {io.EOF, true},
		"a row that is there already":     {&pgconn.PgError{Code: "23505"}, false},
		"no rights":                       {&pgconn.PgError{Code: "42501"}, false},
		"an error of the handler's":       {errors.New("the handler does not like it"), false},
		"another seeder":                  {ErrMoved, false},
		"the caller wants to stop":        {context.Canceled, false},
	} {
		if got := NewPostgres(nil).MayPass(fmt.Errorf("apply: %w", test.err)); got != test.want {
			t.Errorf("%s: may pass %v, want %v", name, got, test.want)
		}
	}
}
