package main

import (
	"crypto/tls"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedrabbitmq"
)

// publishFlags are the flags of a publisher to a message broker.
type publishFlags struct {
	url          string
	route        string
	unroutable   seedrabbitmq.Unroutable
	startAt      string
	user         string
	passwordFile string
	plain        bool
	files        fetch.HTTPConfig // certificates
}

// publishGroups are the groups of its flags in the help.
var publishGroups = []string{
	"Publisher: publish route unroutable start-at",
	"Access to the broker: broker-user broker-password-file broker-ca broker-certificate broker-key broker-plaintext",
}

// passwordVariable is the environment variable with the password of the broker.
const passwordVariable = "EVENTFEED_BROKER_PASSWORD"

func addPublishFlags(command *cobra.Command) *publishFlags {
	p := &publishFlags{}
	flags := command.Flags()
	flags.StringVar(&p.url, "publish", "", "publish to the broker at `URL`: amqp://HOST:PORT/VHOST?exchange=NAME")
	flags.StringVar(&p.route, "route", "", "`TEMPLATE` of the routing key (default {feed}.{type}); also {subject}")
	flags.Var((*unroutable)(&p.unroutable), "unroutable", "`WORD` is stop or count, for a message without a queue")
	flags.StringVar(&p.startAt, "start-at", "", "on the first run, begin after `POSITION`, or at the end: end")
	flags.StringVar(&p.user, "broker-user", "", "`USER` of the broker; password: $"+passwordVariable+" or a file")
	flags.StringVar(&p.passwordFile, "broker-password-file", "", "the password for the broker is in `FILE`")
	flags.StringVar(&p.files.CA, "broker-ca", "", "also trust the authorities in the PEM `FILE` for the broker")
	flags.StringVar(&p.files.ClientCertificate, "broker-certificate", "", "client certificate, PEM `FILE`; without a user it also logs in")
	flags.StringVar(&p.files.ClientKey, "broker-key", "", "PEM `FILE` with its key, not encrypted")
	flags.BoolVar(&p.plain, "broker-plaintext", false, "allow a password without TLS to another host than this one")
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
		for _, name := range []string{"route", "unroutable", "start-at", "broker-user", "broker-password-file", "broker-ca", "broker-certificate", "broker-key", "broker-plaintext"} {
			if cli.Given(command, name) {
				return cli.Usage("--%s: requires --publish", name)
			}
		}
		return nil
	}
	switch {
	case config.OnError == seed.Park:
		return cli.Usage("--on-error park: consumers of a broker get the history without gaps, so its events cannot be parked")
	case config.DryRun:
		return cli.Usage("--dry-run: a message cannot be taken back")
	case !config.AsOf.IsZero():
		return cli.Usage("--as-of: consumers of a broker get the history without gaps")
	}
	if err := p.files.Check(); err != nil {
		return cli.Usage("--broker-certificate and --broker-key: %w", err)
	}
	if u, err := url.Parse(p.url); err == nil && u.User != nil {
		return cli.Usage("--publish: has a user or a password, which everyone on this machine could read; use --broker-user, and $%s or --broker-password-file", passwordVariable)
	}
	switch {
	case p.user != "" && p.passwordFile == "" && os.Getenv(passwordVariable) == "":
		return cli.Usage("--broker-user: has no password: set $%s, or use --broker-password-file", passwordVariable)
	case p.user == "" && p.passwordFile != "":
		return cli.Usage("--broker-password-file: requires --broker-user")
	}
	return p.start(config)
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

// publisher returns the publisher of the flags. patience is its retry timeout.
func (p *publishFlags) publisher(command *cobra.Command, patience time.Duration) (seed.Publisher, error) {
	exchange := seedrabbitmq.Exchange{
		URL: p.url, Route: p.route, Unroutable: p.unroutable, PlainPassword: p.plain, Patience: patience, TLS: p.tls, Logger: cli.Logger(command.ErrOrStderr()),
	}
	if p.user != "" {
		exchange.Credentials = p.credentials
		if _, _, err := p.credentials(); err != nil {
			return seed.Publisher{}, cli.Usage("--broker-password-file: %w", err)
		}
	}
	if _, err := p.tls(); err != nil {
		return seed.Publisher{}, cli.Usage("--broker-ca, --broker-certificate, --broker-key: %w", err)
	}
	publisher, err := seedrabbitmq.Open(exchange)
	if err != nil {
		return publisher, cli.Usage("--publish %w", err)
	}
	return publisher, nil
}

func (p *publishFlags) tls() (*tls.Config, error) { return p.files.TLS() }

// credentials reads the password again for each connection, because it may have been changed.
func (p *publishFlags) credentials() (user, password string, err error) {
	if p.passwordFile == "" {
		return p.user, os.Getenv(passwordVariable), nil
	}
	content, err := os.ReadFile(p.passwordFile)
	return p.user, strings.TrimRight(string(content), "\r\n"), err
}
