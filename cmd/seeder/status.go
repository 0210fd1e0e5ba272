package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/lag"
	"github.com/eventfeed/eventfeed/internal/terminal"
)

// Defaults of the flags of status.
const (
	defaultMaxLag  = 5 * time.Second
	defaultTimeout = time.Minute
)

// statusFlags is what status is asked for.
type statusFlags struct {
	into     string
	consumer string
	from     []string
	network  *network
	offline  bool
	asJSON   bool
	wait     bool
	probe    bool // with status 1 if someone is further behind than maxLag
	maxLag   time.Duration
	timeout  time.Duration
}

func statusCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "status --into URL",
		Short: "Show how far each consumer in a database has got, and how far it is behind",
		Long: `Show the checkpoints in a database that is being filled: for each consumer and
feed the position of the last event that is in, how many events there are behind
it and since when, the state and who holds the consumer, what applies the
events, how many were skipped, left out (later than --as-of) and parked, when
the checkpoint was moved last, and the digest there.

The states are:

  seeding    a seeder is at work, and not all of the history that it found when
             it began is in
  following  a seeder is at work, and all of that is in
  stopped    no seeder is at work
  done       the state as of a point in time is complete; nothing follows
  mismatch   the feed's history does not go on from this checkpoint, see seeder
             run; whether a seeder is at work or not
  unknown    whether a seeder is at work cannot be told

How far behind is told by the feed itself: by one request for its document, and
a few more where the first event that is not in lies in an archive. The time is
that since the first such event got its position, by this machine's clock. Of a
feed that is not served by eventfeed those entries are counted whose present
version is not in, also in up to 5 new archives; the time is that since the
earliest "updated" of theirs, or since the checkpoint was moved last where one
has none. What cannot be told, for a feed that does not answer within 5 seconds
or has more new archives than that, is shown as "?", in JSON as null, and said
on stderr. --offline asks no feed. The database holds the feeds' URLs without
passwords: where a server asks who you are, give its feed's URL with --from, and
what to show it, as for seeder run.

With --max-lag the exit status is 0 if every consumer, or that of --consumer, has
the history in that it found when it began, and is at most that far behind each
of its feeds; and 1 if not, if that cannot be told, or if there is none. With
--wait that is waited for, also for the database's tables and for an SQLite file
to be made, as long as --timeout.

It may be asked while seeders run, changes nothing, and needs no more rights
than to read.`,
		Example: `  seeder status --into sqlite:shipping.db
  seeder status --into postgres://shipping@localhost/shipping --json
  seeder status --into sqlite:shipping.db --max-lag 30s
  seeder status --into sqlite:shipping.db --consumer reports --wait --timeout 1h`,
		Args: cobra.NoArgs,
	}
	var s statusFlags
	flags := command.Flags()
	flags.StringVar(&s.into, "into", "", "`URL` of the database that is being filled, sqlite:PATH or postgres://USER@HOST:PORT/NAME")
	flags.StringVar(&s.consumer, "consumer", "", "`NAME` of the only consumer to show; without it all are")
	flags.Var((*cli.URLs)(&s.from), "from", "`URL` of a feed whose server asks who you are; given again and again for several feeds")
	flags.BoolVar(&s.offline, "offline", false, "ask no feed")
	flags.BoolVar(&s.asJSON, "json", false, "print a JSON array")
	flags.BoolVar(&s.wait, "wait", false, "wait until no consumer is further behind than --max-lag")
	cli.Own(flags, "wait")
	flags.DurationVar(&s.maxLag, "max-lag", defaultMaxLag, "`DURATION` that a consumer may be behind; given without --wait, it is looked at once")
	cli.Own(flags, "max-lag")
	flags.DurationVar(&s.timeout, "timeout", defaultTimeout, "`DURATION` of --wait at most; 0 waits without end")
	s.network = networkFlags(command)
	command.RunE = func(command *cobra.Command, _ []string) error {
		s.probe = s.wait || flags.Changed("max-lag")
		if err := s.check(); err != nil {
			return err
		}
		return s.run(command)
	}
	return command
}

func (s *statusFlags) check() error {
	switch {
	case s.probe && s.offline:
		return cli.Usage("--offline: how far behind a consumer is, only its feeds can tell; leave out --wait and --max-lag")
	case s.maxLag < 0:
		return cli.Usage("--max-lag %s: must not be negative", s.maxLag)
	case s.timeout < 0:
		return cli.Usage("--timeout %s: must not be negative", s.timeout)
	}
	return nil
}

// run looks, again and again if it is to wait, and prints the last look.
func (s *statusFlags) run(command *cobra.Command) error {
	asker, err := newAsker(s.from, s.network)
	if err != nil {
		return err
	}
	var all []lag.Reader
	if s.wait {
		all, err = s.await(command.Context(), asker)
	} else {
		all, err = s.look(command.Context(), asker)
		if err == nil && s.probe {
			err = s.late(all)
		}
	}
	if all == nil && err != nil {
		return explained(err, s.into)
	}
	if len(all) == 0 && err == nil {
		_, _ = terminal.Fprintf(command.ErrOrStderr(), "seeder: %s\n", s.none())
	}
	warnOfUnknown(command, all)
	show := printTable
	if s.asJSON {
		show = printJSON
	}
	if printErr := show(command.OutOrStdout(), all); printErr != nil {
		return printErr
	}
	return err
}
