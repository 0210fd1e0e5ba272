package main

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/dberror"
	"github.com/eventfeed/eventfeed/internal/migrate"
)

// explained lets a command end with errors that say what a database's error
// means and what leads on.
func explained(command *cobra.Command) *cobra.Command {
	run := command.RunE
	command.RunE = func(command *cobra.Command, arguments []string) error {
		err := run(command, arguments)
		if _, said := errors.AsType[*cli.StatusError](err); err == nil || said {
			return err
		}
		url := command.Flags().Lookup("db").Value.String()
		return &cli.StatusError{Status: cli.StatusFailed, Err: meaning(err, url), Next: next(err, command.Name(), url)}
	}
	return command
}

func meaning(err error, url string) error {
	if what := dberror.At(err, url).What; what != "" {
		return fmt.Errorf("%s: %w", what, err)
	}
	return err
}

func next(err error, command, url string) string {
	switch {
	case errors.Is(err, migrate.ErrNone):
		return "make its tables and a feed with: feedserver create NAME --db URL; or only its tables, as the user that is to own them: feedserver migrate --db URL"
	case errors.Is(err, migrate.ErrTooOld):
		return "bring it up to date, as the user that owns the schema: feedserver migrate --db URL"
	case errors.Is(err, migrate.ErrNotOurs):
		return "name another database, or give that schema another name: eventfeed keeps its tables in it"
	case dberror.Code(err) == dberror.NoRight:
		return rights(err, command, url)
	default:
		return dberror.At(err, url).Next
	}
}

// rights says what the role of a PostgreSQL database must be allowed.
func rights(err error, command, url string) string {
	config, parseErr := pgx.ParseConfig(url)
	if parseErr != nil {
		return "grant the role its rights"
	}
	role, database := pgx.Identifier{config.User}.Sanitize(), pgx.Identifier{config.Database}.Sanitize()
	if errors.Is(err, migrate.ErrCannotMake) {
		return fmt.Sprintf("to make its tables it needs: GRANT CREATE ON DATABASE %s TO %s;\nor let another user make them: feedserver migrate --db URL", database, role)
	}
	if command == "migrate" {
		return "only the user that owns the schema eventfeed may do this: take its URL"
	}
	return fmt.Sprintf("it needs: GRANT eventfeed_server TO %s;\nif it has that, let the user that owns the schema grant the rights anew: feedserver migrate --db URL", role)
}
