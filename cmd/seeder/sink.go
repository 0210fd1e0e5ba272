package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/seed"
)

// sinkFlags say what applies the events. Without any it is the inbox.
type sinkFlags struct {
	projection string
	schema     string
	strict     bool
	accept     bool
}

func addSinkFlags(command *cobra.Command) *sinkFlags {
	s := &sinkFlags{}
	flags := command.Flags()
	flags.StringVar(&s.projection, "projection", "", "`FILE` of SQL that brings the events into your own tables, in place of the inbox")
	flags.StringVar(&s.schema, "schema", "", "PostgreSQL schema `NAME` for the projection's tables; the consumer has this name, too, unless --consumer says otherwise")
	flags.BoolVar(&s.strict, "strict", false, "refuse events of types that the projection has no block for")
	flags.BoolVar(&s.accept, "accept-projection", false, "go on with a projection that has changed since the last run")
	return s
}

// apply checks the flags against one another and gives the configuration what
// they say of it.
func (s *sinkFlags) apply(command *cobra.Command, config *seed.Config) error {
	for name, given := range map[string]bool{"schema": s.schema != "", "strict": s.strict, "accept-projection": s.accept} {
		if given && s.projection == "" {
			return cli.Usage("--%s: is about a projection; --projection is missing", name)
		}
	}
	if s.schema != "" && !command.Flags().Changed("consumer") {
		config.Consumer = s.schema
	}
	config.AcceptProjection = s.accept
	return nil
}

// target opens a database with the sink that the flags ask for.
func (s *sinkFlags) target(ctx context.Context, into string) (target seed.Target, closeTarget func(), err error) {
	if s.projection == "" {
		return openTarget(ctx, into)
	}
	text, err := os.ReadFile(s.projection)
	if err != nil {
		return nil, nil, cli.Usage("--projection: %w", err)
	}
	pool, path, err := openDatabase(ctx, into)
	if err != nil {
		return nil, nil, err
	}
	p := seed.Projection{Name: filepath.Base(s.projection), Text: text, Strict: s.strict, Schema: s.schema}
	if pool == nil {
		if s.schema != "" {
			return nil, nil, cli.Usage("--schema: SQLite has none; build beside a projection into another file")
		}
		target, err = seed.SQLiteProjection(path, p)
	} else {
		target, err = seed.PostgresProjection(pool, p)
	}
	if err != nil {
		if pool != nil {
			pool.Close()
		}
		return nil, nil, fmt.Errorf("projection: %w", err)
	}
	closeTarget = func() {}
	if pool != nil {
		closeTarget = pool.Close
	}
	return target, closeTarget, nil
}
