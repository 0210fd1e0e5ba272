package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/db/explain"
	explainpostgres "github.com/eventfeed/eventfeed/internal/db/explain/postgres"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
)

// explained adds the meaning and the next step to an error of the target.
func explained(err error, into string) error {
	meaning := explain.At(err, into)
	if mend, is := errors.AsType[*broker.OperatorError](err); is {
		status := cli.StatusFailed
		if mend.Usage {
			status = cli.StatusUsage
		}
		return &cli.StatusError{Status: status, Err: err, Next: mend.Next}
	}
	if isLog(into) && errors.Is(err, seed.ErrMoved) {
		return &cli.StatusError{Status: cli.StatusHeld, Err: err, Next: "stop the other publisher of this feed, then run the same command again"}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return noDatabase(err)
	case errors.Is(err, checkpoint.ErrThere):
		return &cli.StatusError{Status: cli.StatusFailed, Err: err,
			Next: "use another consumer with: --consumer NAME; or delete the rows after the checkpoint from the inbox, if nobody needs them"}
	case meaning.What == "":
		return err
	case explainpostgres.Code(err) == explainpostgres.NoRight:
		grants := rights(into)
		return &cli.StatusError{Status: cli.StatusFailed, Err: fmt.Errorf("%s: %w", meaning.What, err), Next: grants[0], More: grants[1:]}
	}
	return &cli.StatusError{Status: cli.StatusFailed, Err: fmt.Errorf("%s: %w", meaning.What, err), Next: meaning.Next}
}

// noDatabase adds to the error of a missing file how to create it.
func noDatabase(err error) error {
	return &cli.StatusError{Status: cli.StatusFailed, Err: err, Next: "check the path; seeder run --from URL --into URL creates the file"}
}

// rights returns the next step for a role of a PostgreSQL target that lacks a privilege.
func rights(into string) []string {
	config, err := pgx.ParseConfig(into)
	if err != nil {
		return []string{"grant the role its rights"}
	}
	role, database := pgx.Identifier{config.User}.Sanitize(), pgx.Identifier{config.Database}.Sanitize()
	return []string{
		fmt.Sprintf("to create its tables it needs: GRANT CREATE ON DATABASE %s TO %s;", database, role),
		"if another role has created them, by running this command once, it needs:",
		"GRANT USAGE ON SCHEMA eventfeed_seed, eventfeed_inbox TO " + role + ";",
		"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA eventfeed_seed, eventfeed_inbox TO " + role + ";",
		"and for seeder rewind, reset and retry, and for feeds not served by eventfeed:",
		"GRANT DELETE ON ALL TABLES IN SCHEMA eventfeed_seed, eventfeed_inbox TO " + role + ";",
	}
}
