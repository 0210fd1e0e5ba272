package projection

import (
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
)

// ErrExists is matched by an error of a set-up that makes what is there already.
var ErrExists = errors.New("there already")

// existsError is a database's error as it is, which is ErrExists, too.
type existsError struct{ error }

func (e existsError) Unwrap() error        { return e.error }
func (e existsError) Is(target error) bool { return target == ErrExists }

// codesThere are PostgreSQL's for a table, a schema, a function, and all else,
// of a name that is taken.
var codesThere = []string{"42P07", "42P06", "42723", "42710"}

// setupError marks an error of the set-up that is ErrExists.
func setupError(err error) error {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && slices.Contains(codesThere, pg.Code) {
		return existsError{err}
	}
	// SQLite has no code for it.
	if lite, ok := errors.AsType[*sqlite.Error](err); ok && strings.Contains(lite.Error(), "already exists") {
		return existsError{err}
	}
	return err
}
