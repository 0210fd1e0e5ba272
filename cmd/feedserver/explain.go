package main

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/db/explain"
	explainpostgres "github.com/eventfeed/eventfeed/internal/db/explain/postgres"
	"github.com/eventfeed/eventfeed/internal/db/migrate"
	"github.com/eventfeed/eventfeed/internal/store"
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
		lead := next(err, command.Name(), url)
		return &cli.StatusError{Status: cli.StatusFailed, Err: meaning(err, url), Next: lead[0], More: lead[1:]}
	}
	return command
}

func meaning(err error, url string) error {
	if what := explain.At(err, url).What; what != "" {
		return fmt.Errorf("%s: %w", what, err)
	}
	return err
}

// next returns what leads on after an error, in one line or more.
func next(err error, command, url string) []string {
	switch {
	case errors.Is(err, migrate.ErrNone):
		return []string{"create its tables and a feed with: feedserver create NAME --db URL; or only its tables, as the user that is to own them: feedserver migrate --db URL"}
	case errors.Is(err, migrate.ErrTooOld):
		return []string{"upgrade it, as the user that owns the schema: feedserver migrate --db URL"}
	case errors.Is(err, migrate.ErrNotOurs):
		return []string{"use another database, or rename that schema: eventfeed keeps its own tables in a schema of this name"}
	case errors.Is(err, store.ErrMoved):
		return []string{"start a server on it, which begins an epoch: feedserver serve --db URL; or run: feedserver new-epoch NAME --db URL"}
	case explainpostgres.Code(err) == explainpostgres.NoRight:
		return rights(err, command, url)
	default:
		return []string{explain.At(err, url).Next}
	}
}

// rights says what the role of a PostgreSQL database must be allowed.
func rights(err error, command, url string) []string {
	config, parseErr := pgx.ParseConfig(url)
	if parseErr != nil {
		return []string{"grant the role its rights"}
	}
	role, database := pgx.Identifier{config.User}.Sanitize(), pgx.Identifier{config.Database}.Sanitize()
	if errors.Is(err, migrate.ErrCannotMake) {
		return []string{
			fmt.Sprintf("to create its tables it needs: GRANT CREATE ON DATABASE %s TO %s;", database, role),
			"or let another user create them: feedserver migrate --db URL",
		}
	}
	if command == "migrate" {
		return []string{"only the user that owns the schema eventfeed may do this: use the URL of that user"}
	}
	return []string{
		fmt.Sprintf("it needs: GRANT eventfeed_server TO %s;", role),
		"if it has that, let the user that owns the schema grant the rights again: feedserver migrate --db URL",
	}
}
