package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/lag"
	"github.com/eventfeed/eventfeed/internal/terminal"
	"github.com/eventfeed/eventfeed/seed"
)

// Defaults of the flags of status.
const (
	defaultMaxLag  = 5 * time.Second
	defaultTimeout = time.Minute
)

// statusFlags are the flags of status.
type statusFlags struct {
	into     string
	broker   brokerFlags
	log      seed.Target // of the broker
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
		Short: "Show each consumer's position, lag and state",
		Long: `Show each consumer of a database, for each of its feeds: position, lag, state, holder, sink, numbers of
skipped, left-out and parked events, and digest. With --max-lag it is a check for scripts and probes.`,
		Example: `  seeder status --into sqlite:shipping.db
  seeder status --into postgres://shipping@localhost/shipping --json
  seeder status --into sqlite:shipping.db --consumer reports --wait --timeout 1h`,
		Args: cobra.NoArgs,
	}
	var s statusFlags
	flags := command.Flags()
	flags.StringVar(&s.into, "into", "", "`URL` of the target database: sqlite:PATH or postgres://USER@HOST:PORT/NAME")
	s.broker.add(command, "`URL` of the message log that a feed is published to, instead of --into; with --from")
	flags.StringVar(&s.consumer, "consumer", "", "show only the consumer `NAME`")
	flags.Var((*cli.URLs)(&s.from), "from", "`URL` of a feed whose server needs credentials; repeat the flag for several feeds")
	flags.BoolVar(&s.offline, "offline", false, "do not ask the feeds for their ends; the lag is then unknown")
	flags.BoolVar(&s.asJSON, "json", false, "print a JSON array")
	flags.BoolVar(&s.wait, "wait", false, "wait until every lag is at most --max-lag")
	cli.Own(flags, "wait")
	flags.DurationVar(&s.maxLag, "max-lag", defaultMaxLag, "check: exit with status 1 if a lag exceeds `DURATION`")
	cli.Own(flags, "max-lag")
	flags.DurationVar(&s.timeout, "timeout", defaultTimeout, "maximum `DURATION` of --wait; 0: no limit")
	s.network = networkFlags(command)
	cli.GroupFlags(command, "Database or broker: into publish consumer json", "Lag: offline max-lag wait timeout", "Feeds that need credentials: from", accessGroup, brokerGroup,
		"Feeds not served by eventfeed: max-document")
	cli.HelpEnd(command, `States: seeding (a seeder applies the history), following (the history is applied), stopped (no seeder runs),
done (a state --as-of is complete), mismatch (the feed no longer continues from the checkpoint), unknown.
The command is read-only, and you can run it while seeders run.
See docs/commands.md#seeder-status.`)
	command.RunE = func(command *cobra.Command, _ []string) error {
		s.probe = s.wait || flags.Changed("max-lag")
		if err := s.check(command); err != nil {
			return err
		}
		return s.run(command)
	}
	return command
}

func (s *statusFlags) check(command *cobra.Command) error {
	if err := s.broker.check(command); err != nil {
		return err
	}
	switch {
	case s.broker.url != "" && !isLog(s.broker.url):
		return cli.Usage("--publish: the checkpoint of a publisher to %s is in its database: use --into", kindOf(s.broker.url))
	case s.broker.url != "" && cli.Given(command, "into"):
		return cli.Usage("--into and --publish: use only one of them")
	case s.broker.url != "" && cli.Given(command, "consumer"):
		return cli.Usage("--consumer: a feed has one publisher to %s", kindOf(s.broker.url))
	case s.broker.url != "" && len(s.from) != 1:
		return cli.Usage("--publish: requires --from, the URL of the feed that is published")
	case s.probe && s.offline:
		return cli.Usage("--offline: only the feeds know the lag; omit --wait and --max-lag")
	case s.maxLag < 0:
		return cli.Usage("--max-lag %s: must not be negative", s.maxLag)
	case s.timeout < 0:
		return cli.Usage("--timeout %s: must not be negative", s.timeout)
	}
	return nil
}

// run reads the status, repeatedly with --wait, and prints the last one.
func (s *statusFlags) run(command *cobra.Command) (err error) {
	if s.broker.url != "" {
		if s.log, err = s.broker.log(command); err != nil {
			return err
		}
		s.into = s.broker.url
	}
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
	if all == nil && err != nil && isLog(s.into) {
		return withStatus(explained(err, s.into), s.from[0], wayOn(err, seed.Config{From: s.from, Consumer: seed.DefaultConsumer}, s.into, &sinkFlags{publish: &publishFlags{brokerFlags: s.broker}}))
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
