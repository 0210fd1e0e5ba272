package main

import (
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedpgx"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

// sinkFlags are the flags of the sink. Without any the sink is the inbox.
type sinkFlags struct {
	projection string
	schema     string
	strict     bool
	accept     bool
	program    string
	programEnv []string
	unmatched  bool
	publish    *publishFlags // nil where there are no such flags

	access       string   // flags of the run for access to the feed's server, for a command that reads it anew
	accessSecret []string // what access lacks
}

// isInbox reports whether the sink is the inbox.
func (s *sinkFlags) isInbox() bool {
	return s == nil || s.projection == "" && s.program == "" && !s.isPublisher()
}

// isPublisher reports whether the sink is a publisher to a message broker.
func (s *sinkFlags) isPublisher() bool { return s != nil && s.publish != nil && s.publish.url != "" }

// isLog reports whether the sink is a message log, which holds the checkpoint itself.
func (s *sinkFlags) isLog() bool { return s.isPublisher() && isLog(s.publish.url) }

func addSinkFlags(command *cobra.Command) *sinkFlags {
	s := &sinkFlags{}
	flags := command.Flags()
	flags.StringVar(&s.projection, "projection", "", "apply events to your own tables by the SQL in `FILE`, instead of the inbox")
	flags.StringVar(&s.schema, "schema", "", "PostgreSQL schema `NAME` for the projection's tables; also the default of --consumer")
	flags.BoolVar(&s.strict, "strict", false, "fail on a type that has no block, and on a dataschema that its block does not name")
	flags.BoolVar(&s.accept, "accept-projection", false, "continue although the projection file has changed since the last run")
	return s
}

// addRunFlags adds the flags that only seeder run has.
func (s *sinkFlags) addRunFlags(command *cobra.Command) {
	command.Flags().BoolVar(&s.unmatched, "allow-unmatched", false, "start even if the projection has no block for any event")
	command.Flags().StringVar(&s.program, "exec", "", "pass events to the standard input of `COMMAND`, at least once; it prints the positions it has done")
	s.publish = addPublishFlags(command)
	command.Flags().StringSliceVar(&s.programEnv, "exec-env", nil, "pass on the variable `NAME` to --exec, which gets no EVENTFEED_… and no database password")
}

// apply checks the flags and sets their values in the configuration.
func (s *sinkFlags) apply(command *cobra.Command, config *seed.Config) error {
	for _, name := range []string{"projection", "exec", "publish"} {
		if f := command.Flags().Lookup(name); f != nil && f.Changed && f.Value.String() == "" {
			return cli.Usage("--%s: is empty; omit it to fill the inbox", name) // a shell's variable that is not set, most likely
		}
	}
	for name, given := range map[string]bool{"schema": s.schema != "", "strict": s.strict, "accept-projection": s.accept, "allow-unmatched": s.unmatched} {
		if given && s.projection == "" {
			return cli.Usage("--%s: requires --projection", name)
		}
	}
	for _, name := range s.programEnv {
		switch _, set := os.LookupEnv(name); {
		case s.program == "" && cli.Given(command, "exec-env"):
			return cli.Usage("--exec-env: requires --exec")
		case s.program == "":
		case name == "" || strings.Contains(name, "="):
			return cli.Usage("--exec-env %q: must be the name of a variable, without its value", name)
		case !set:
			return cli.Usage("--exec-env %s: there is no such variable in the seeder's environment", name)
		}
	}
	switch {
	case s.isPublisher() && s.projection != "":
		return cli.Usage("--publish and --projection: use only one of them; run a seeder for each")
	case s.isPublisher() && s.program != "":
		return cli.Usage("--publish and --exec: use only one of them; run a seeder for each")
	case s.program == "":
	case s.projection != "":
		return cli.Usage("--exec and --projection: use only one of them")
	case config.OnError == seed.Park:
		return cli.Usage("--on-error park: what --exec does cannot be undone, so its events cannot be parked")
	case config.DryRun:
		return cli.Usage("--dry-run: what --exec does cannot be rolled back")
	}
	if s.publish != nil {
		if err := s.publish.apply(command, config); err != nil {
			return err
		}
	}
	if s.schema != "" && !command.Flags().Changed("consumer") {
		config.Consumer = s.schema
	}
	config.AcceptProjection, config.AllowUnmatched = s.accept, s.unmatched
	return nil
}

// target opens a database with the sink of the flags. patience is the retry timeout of a program or a
// broker.
func (s *sinkFlags) target(command *cobra.Command, into string, patience time.Duration) (target seed.Target, closeTarget func(), err error) {
	if s.isLog() {
		target, err = s.publish.log(command)
		return target, func() {}, err
	}
	pool, path, err := openDatabase(command.Context(), into)
	if err != nil {
		return target, nil, err
	}
	if pool == nil {
		target, err = s.on(command, seedsqlite.Open(path), patience)
		return target, func() {}, err
	}
	if target, err = s.on(command, seedpgx.Open(pool), patience); err != nil {
		pool.Close()
	}
	return target, pool.Close, err
}

// database is implemented by both kinds of databases.
type database interface {
	Inbox() seed.Target
	Projection(p seed.Projection) (seed.Target, error)
	Program(p seed.Program) seed.Target
	Publish(p seed.Publisher) seed.Target
}

// on returns the target in a database with the sink of the flags.
func (s *sinkFlags) on(command *cobra.Command, d database, patience time.Duration) (target seed.Target, err error) {
	switch {
	case s.isPublisher():
		publisher, err := s.publish.publisher(command, patience)
		if err != nil {
			return target, err
		}
		return d.Publish(publisher), nil
	case s.program != "":
		stderr := command.ErrOrStderr()
		return d.Program(seed.Program{Command: s.program, PassEnvironment: s.programEnv, Patience: patience, Stderr: stderr, Logger: cli.Logger(stderr)}), nil
	case s.projection != "":
		text, err := os.ReadFile(s.projection)
		if err != nil {
			return target, cli.Usage("--projection: %w", err)
		}
		if _, isSQLite := d.(seedsqlite.Database); isSQLite && s.schema != "" {
			return target, cli.Usage("--schema: SQLite has no schemas; build beside a projection in another file")
		}
		return d.Projection(seed.Projection{Name: s.projection, Text: text, Strict: s.strict, Schema: s.schema})
	default:
		return d.Inbox(), nil
	}
}
