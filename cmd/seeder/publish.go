package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedrabbitmq"
)

// publishFlags are the flags of a publisher to a message broker.
type publishFlags struct {
	brokerFlags
	unroutable seedrabbitmq.Unroutable
	startAt    string
}

// publishGroup is their group in the help.
const publishGroup = "Publisher: publish route unroutable start-at"

// publishUsage is the help of --publish.
const publishUsage = "`URL` of a broker, kafka://HOST/TOPIC for example (docs/brokers.md)"

func addPublishFlags(command *cobra.Command) *publishFlags {
	p := &publishFlags{}
	p.add(command, publishUsage)
	p.addRoute(command)
	flags := command.Flags()
	flags.Var((*unroutable)(&p.unroutable), "unroutable", "if no queue takes a message: `WORD` stop or count")
	flags.StringVar(&p.startAt, "start-at", "", "on the first run, begin after `POSITION`, or at the end: end")
	return p
}

// unroutable is the value of --unroutable.
type unroutable seedrabbitmq.Unroutable

func (u *unroutable) String() string {
	if seedrabbitmq.Unroutable(*u) == seedrabbitmq.Count {
		return "count"
	}
	return "stop"
}

func (u *unroutable) Set(word string) error {
	switch word {
	case "stop":
		*u = unroutable(seedrabbitmq.Stop)
	case "count":
		*u = unroutable(seedrabbitmq.Count)
	default:
		return fmt.Errorf("must be stop or count")
	}
	return nil
}

func (*unroutable) Type() string { return "word" }

// apply checks the flags and sets their values in the configuration.
func (p *publishFlags) apply(command *cobra.Command, config *seed.Config) error {
	if p.url == "" {
		for _, name := range []string{"unroutable", "start-at"} {
			if cli.Given(command, name) {
				return cli.Usage("--%s: requires --publish", name)
			}
		}
		return p.check(command)
	}
	switch {
	case config.OnError == seed.Park:
		return cli.Usage("--on-error park: consumers of a broker get the history without gaps, so its events cannot be parked")
	case config.DryRun:
		return cli.Usage("--dry-run: a message cannot be taken back")
	case !config.AsOf.IsZero():
		return cli.Usage("--as-of: consumers of a broker get the history without gaps")
	}
	if err := p.check(command); err != nil {
		return err
	}
	if err := p.fits(command, config); err != nil {
		return err
	}
	return p.start(config)
}

// fits returns an error for flags that the kind of the broker does not go together with.
func (p *publishFlags) fits(command *cobra.Command, config *seed.Config) error {
	kind := kindOf(p.url)
	switch {
	case cli.Given(command, "unroutable") && kind != exchangeBroker:
		return cli.Usage("--unroutable: is for an exchange of RabbitMQ, and --publish names %s", kind)
	case kind == exchangeBroker:
		return nil
	case cli.Given(command, "into"):
		return cli.Usage("--into: %s holds the checkpoint itself; omit --into", kind)
	case cli.Given(command, "consumer"):
		return cli.Usage("--consumer: a feed has one publisher to %s", kind)
	case config.AddFeed, len(config.From) > 1:
		return cli.Usage("--publish: %s has the history of one feed, so there is one --from and no --add-feed; run a publisher for each feed", kind)
	}
	return nil
}

// start sets where the first run begins.
func (p *publishFlags) start(config *seed.Config) error {
	switch p.startAt {
	case "":
		return nil
	case "end":
		config.StartAt = seed.AtEnd
		return nil
	}
	position, err := strconv.ParseInt(p.startAt, 10, 64)
	switch {
	case err != nil || position < 0:
		return cli.Usage("--start-at %s: must be a position, or end", p.startAt)
	case len(config.From) > 1:
		return cli.Usage("--start-at %d: is a position of one feed, not of %d; use --start-at end", position, len(config.From))
	}
	config.StartAt = position
	return nil
}

// publisher returns the publisher to an exchange. patience is its retry timeout.
func (p *publishFlags) publisher(command *cobra.Command, patience time.Duration) (seed.Publisher, error) {
	if err := p.readable(); err != nil {
		return seed.Publisher{}, err
	}
	publisher, err := seedrabbitmq.Open(seedrabbitmq.Exchange{
		URL: p.url, Route: p.route, Unroutable: p.unroutable, Credentials: p.login(), PlainPassword: p.plain, Patience: patience, TLS: p.tls,
		Logger: cli.Logger(command.ErrOrStderr()),
	})
	if err != nil {
		return publisher, cli.Usage("--publish %w", err)
	}
	return publisher, nil
}
