package cli

import (
	"errors"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/pflag"

	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
)

// checkDatabases refuses a database URL that cannot be read before anyone else
// tries, and quotes it.
func checkDatabases(flags *pflag.FlagSet) (err error) {
	flags.VisitAll(func(f *pflag.Flag) {
		if err != nil || !isURL(f) {
			return
		}
		if urlErr := checkDatabase(f.Value.String()); urlErr != nil {
			_, name := source(f)
			err = Usage("%s: %w", name, urlErr)
		}
	})
	return err
}

// checkDatabase checks a URL if it is that of a database.
func checkDatabase(raw string) (err error) {
	switch {
	case postgresdb.IsURL(raw):
		err = checkPostgres(raw)
	case strings.HasPrefix(raw, sqlitedb.Scheme):
		_, err = sqlitedb.Path(raw)
	}
	return err
}

// fileName is what is plainly the name of a file, and so no secret.
var fileName = regexp.MustCompile(`^[A-Za-z0-9_./-]+\.(db|sqlite|sqlite3)$`)

// NotDatabase is the error of a flag whose value is no URL of a database.
func NotDatabase(flag, value string) error {
	if fileName.MatchString(value) {
		return Usage("--%s %q: must be sqlite:PATH or postgres://…; write a file as %s%s", flag, value, sqlitedb.Scheme, value)
	}
	return Usage("--%s %q: must be sqlite:PATH or postgres://…", flag, Typed(value))
}

var errEncoding = errors.New("the URL is invalid; in a password write %40 for @, %2F for /, %3A for :, %3F for ?, %23 for #, %25 for % and %20 for a space, or omit it and give it in PGPASSFILE or PGPASSWORD")

func checkPostgres(raw string) error {
	_, rest, _ := strings.Cut(raw, "://")
	if misplaced(rest) {
		return errEncoding
	}
	if _, err := pgxpool.ParseConfig(raw); err == nil {
		return nil
	}
	// What pgx says quotes what it could not read. So the reason is asked of
	// the URL without its secrets.
	if _, err := pgxpool.ParseConfig(Redact(raw)); err != nil {
		return err
	}
	return errEncoding
}
