package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/seed"
)

// runFlags are the flags of a run, and the configuration that they make.
type runFlags struct {
	config   seed.Config
	into     string
	asOf     string
	wait     time.Duration
	patience *patience
	sinks    *sinkFlags
	network  *network
	listen   *listenFlags
}

func addRunFlags(command *cobra.Command) *runFlags {
	f := &runFlags{}
	config, flags := &f.config, command.Flags()
	flags.Var((*cli.URLs)(&config.From), "from", "`URL` of the feed; repeat the flag for several feeds")
	flags.StringVar(&f.into, "into", "", "`URL` of the target database: sqlite:PATH or postgres://USER@HOST:PORT/NAME")
	flags.StringVar(&config.Consumer, "consumer", seed.DefaultConsumer, "`NAME` of the consumer: each has its own checkpoint")
	flags.BoolVar(&config.AddFeed, "add-feed", false, "accept a feed that the consumer has not read before")
	flags.Int64Var(&config.Until, "until", 0, "stop after the event at `POSITION`; for a single feed")
	flags.StringVar(&f.asOf, "as-of", "", "build the state as of `TIME`, such as 2024-03-01T00:00:00Z")
	flags.Var((*onError)(&config.OnError), "on-error", "`WORD` is stop or park: for an event that cannot be applied; park includes later events of its entity")
	flags.BoolVar(&config.DryRun, "dry-run", false, "check and apply everything in one transaction, then roll it back")
	flags.BoolVar(&config.Follow, "follow", false, "continue with new events when the history is applied")
	flags.IntVar(&config.Prefetch, "prefetch", seed.DefaultPrefetch, "`NUMBER` of pages to fetch in parallel at most")
	flags.BoolVar(&config.IgnoreFeedID, "ignore-feed-id", false, ignoreFeedID)
	flags.BoolVar(&config.KeepSameID, "keep-same-id", false, "apply all entries with the same id, not only the latest; from the first run on")
	f.sinks = addSinkFlags(command)
	f.sinks.addRunFlags(command)
	flags.DurationVar(&f.wait, "wait", seed.DefaultWait, "`DURATION` of a long poll of --follow, in whole seconds; 0 polls once a second")
	f.patience = patienceFlag(command, "retry an unavailable server, database, broker or program for `DURATION` (default 1m; with --follow: no limit)")
	f.network = networkFlags(command)
	f.listen = addListenFlags(command)
	cli.GroupFlags(command, "Feeds and database: from into consumer add-feed",
		"Sink (default: an inbox table): projection schema strict allow-unmatched accept-projection exec exec-env on-error dry-run",
		publishGroup, brokerGroup,
		"Where to stop: until as-of", "Following and retries: follow wait patience prefetch",
		accessGroup, "Feeds not served by eventfeed: keep-same-id ignore-feed-id max-document",
		"Operation: listen max-lag profiles")
	return f
}

// ignoreFeedID is what the help says of --ignore-feed-id.
const ignoreFeedID = "accept documents with another atom:id that nothing else ties to the feed"

// check returns an error of wrong usage.
func (f *runFlags) check(command *cobra.Command) (err error) {
	if len(f.config.From) == 0 {
		return cli.Usage("--from is missing: the URL of the feed")
	}
	for _, from := range f.config.From {
		if _, err := fetch.ParseURL(from); err != nil {
			return cli.Usage("--from: %w", err)
		}
	}
	if f.config.AsOf, err = pointInTime(f.asOf); err != nil {
		return err
	}
	if err := contradiction(command, f.config); err != nil {
		return err
	}
	if err := f.sinks.apply(command, &f.config); err != nil {
		return err
	}
	f.sinks.access, f.sinks.accessSecret = accessLine(command)
	if f.config.Prefetch < 1 {
		return cli.Usage("--prefetch %d: must be at least 1", f.config.Prefetch)
	}
	if f.wait < 0 || f.wait%time.Second != 0 {
		return cli.Usage("--wait %s: must be whole seconds, 0 or more", f.wait)
	}
	return f.listen.check(command)
}

// open opens what a run needs. The caller closes it.
func (f *runFlags) open(command *cobra.Command, watch *watch) (closeAll func(), err error) {
	config := &f.config
	config.Logger = cli.Logger(command.ErrOrStderr())
	config.Patience = f.patience.or(0)
	if config.Wait = f.wait; f.wait == 0 {
		config.Wait = -1 // in a seed.Config 0 stands for the default
	}
	if err := f.network.configure(config); err != nil {
		return nil, err
	}
	if f.sinks.isLog() {
		f.into = f.sinks.publish.url
	}
	into, closeTarget, err := f.sinks.target(command, f.into, f.patience.or(programPatience(config.Follow)))
	if err != nil {
		return nil, err
	}
	config.Into = into
	health, closeListener, err := f.listen.open(command, f)
	if err != nil {
		closeTarget()
		return nil, err
	}
	watch.health = health
	return func() { closeListener(); closeTarget() }, nil
}

// programPatience returns the default of --patience for a program or a broker.
func programPatience(follow bool) time.Duration {
	if follow {
		return -1
	}
	return seed.DefaultPatience
}

// pointInTime parses the value of --as-of.
func pointInTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := cloudevents.ParseTime(text)
	if err != nil {
		return at, cli.Usage("--as-of %q: must be a time with its offset, such as 2024-03-01T00:00:00Z", text)
	}
	if at.After(time.Now()) {
		return at, cli.Usage("--as-of %s: lies in the future: events until then would be missing for good", text)
	}
	return at, nil
}

// contradiction returns an error for flags that cannot be combined.
func contradiction(command *cobra.Command, config seed.Config) error {
	switch {
	case config.Until < 0, config.Until == 0 && command.Flags().Changed("until"):
		return cli.Usage("--until %d: must be a position, 1 or more", config.Until)
	case config.Until > 0 && len(config.From) > 1:
		return cli.Usage("--until: is a position of one feed, not of %d", len(config.From))
	case !config.AsOf.IsZero() && config.Follow:
		return cli.Usage("--as-of: cannot be combined with --follow")
	case !config.AsOf.IsZero() && config.Until > 0:
		return cli.Usage("--as-of and --until: use only one of them")
	case config.DryRun && config.Follow:
		return cli.Usage("--dry-run: cannot be combined with --follow")
	}
	return nil
}
