package main

import (
	"context"
	"crypto/tls"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/lag"
	"github.com/eventfeed/eventfeed/internal/walk"
	"github.com/eventfeed/eventfeed/seed"
)

// brokerFlags are the flags that name a message broker, and of access to it.
type brokerFlags struct {
	url          string
	user         string
	passwordFile string
	creds        string // NATS
	route        string // RabbitMQ exchanges and NATS
	sasl         string // Kafka
	plain        bool
	files        fetch.HTTPConfig // certificates
}

// brokerNames are the names of the flags of access, without --publish.
var brokerNames = []string{
	"broker-user", "broker-password-file", "broker-creds", "broker-sasl", "broker-ca", "broker-certificate", "broker-key", "broker-plaintext",
}

// brokerGroup is their group in the help.
var brokerGroup = "Access to the broker: " + strings.Join(brokerNames, " ")

// passwordVariable is the environment variable with the password of the broker.
const passwordVariable = "EVENTFEED_BROKER_PASSWORD"

// add adds the flags. usage is the help of --publish.
func (b *brokerFlags) add(command *cobra.Command, usage string) {
	flags := command.Flags()
	flags.StringVar(&b.url, "publish", "", usage)
	flags.StringVar(&b.user, "broker-user", "", "`USER` of the broker; password: $"+passwordVariable+" or a file")
	flags.StringVar(&b.passwordFile, "broker-password-file", "", "the password for the broker is in `FILE`")
	flags.StringVar(&b.creds, "broker-creds", "", "log in to NATS with the credentials in `FILE`")
	flags.StringVar(&b.sasl, "broker-sasl", "", "Kafka: `MECHANISM` PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
	flags.StringVar(&b.files.CA, "broker-ca", "", "also trust the authorities in the PEM `FILE` for the broker")
	flags.StringVar(&b.files.ClientCertificate, "broker-certificate", "", "client certificate, PEM `FILE`; without a user it also logs in")
	flags.StringVar(&b.files.ClientKey, "broker-key", "", "PEM `FILE` with its key, not encrypted")
	flags.BoolVar(&b.plain, "broker-plaintext", false, "allow a password without TLS to another host than this one")
}

// addRoute adds --route, for commands that publish.
func (b *brokerFlags) addRoute(command *cobra.Command) {
	command.Flags().StringVar(&b.route, "route", "", "`TEMPLATE` of routing key or subject (default {feed}.{type})")
}

// brokerKind is a kind of message broker.
type brokerKind string

// The kinds of brokers. All but the first hold the checkpoint themselves.
const (
	exchangeBroker brokerKind = "an exchange of RabbitMQ"
	natsBroker     brokerKind = "a JetStream stream"
	kafkaBroker    brokerKind = "a Kafka topic"
	streamBroker   brokerKind = "a RabbitMQ stream"
)

// brokerSchemes are the schemes of their URLs.
var brokerSchemes = map[string]brokerKind{
	"amqp": exchangeBroker, "amqps": exchangeBroker, "amqp+tls": exchangeBroker,
	"nats": natsBroker, "nats+tls": natsBroker,
	"kafka": kafkaBroker, "kafka+tls": kafkaBroker,
	"rabbitmq-stream": streamBroker, "rabbitmq-stream+tls": streamBroker,
}

// kindOf returns the kind of the broker at a URL; empty if its scheme is none of a broker's.
func kindOf(url string) brokerKind {
	scheme, _, _ := strings.Cut(url, "://")
	return brokerSchemes[strings.ToLower(scheme)]
}

// line returns the flags of access, and of the route of a marker, for another command.
func (b *brokerFlags) line() (line string) {
	for _, flag := range []struct{ name, value string }{
		{"route", b.route}, {"broker-user", b.user}, {"broker-password-file", b.passwordFile}, {"broker-creds", b.creds}, {"broker-sasl", b.sasl},
		{"broker-ca", b.files.CA}, {"broker-certificate", b.files.ClientCertificate}, {"broker-key", b.files.ClientKey},
	} {
		if flag.value != "" {
			line += " --" + flag.name + " " + cli.Quote(flag.value)
		}
	}
	if b.plain {
		line += " --broker-plaintext"
	}
	return line
}

// isLog reports whether a URL is that of a message log, which holds the checkpoint itself.
func isLog(url string) bool {
	kind := kindOf(url)
	return kind != "" && kind != exchangeBroker
}

// placeFlag returns the flag that names where the checkpoint is: a database or a message log.
func placeFlag(into string) string {
	if isLog(into) {
		return urlFlag("publish", into)
	}
	return urlFlag("into", into)
}

// check returns an error for flags that are wrong or do not go together.
func (b *brokerFlags) check(command *cobra.Command) error {
	if b.url == "" {
		for _, name := range append([]string{"route"}, brokerNames...) {
			if command.Flags().Lookup(name) != nil && cli.Given(command, name) {
				return cli.Usage("--%s: requires --publish", name)
			}
		}
		return nil
	}
	if err := b.files.Check(); err != nil {
		return cli.Usage("--broker-certificate and --broker-key: %w", err)
	}
	if u, err := url.Parse(b.url); err == nil && u.User != nil {
		return cli.Usage("--publish: has a user or a password, which everyone on this machine could read; use --broker-user, and $%s or --broker-password-file", passwordVariable)
	}
	kind := kindOf(b.url)
	switch {
	case kind == "":
		return cli.Usage("--publish %s: the scheme must be amqp, kafka, nats or rabbitmq-stream, with TLS amqps, kafka+tls, nats+tls or rabbitmq-stream+tls", withoutPassword(b.url))
	case b.creds != "" && kind != natsBroker:
		return cli.Usage("--broker-creds: is for NATS, and --publish names %s", kind)
	case b.sasl != "" && kind != kafkaBroker:
		return cli.Usage("--broker-sasl: is for Kafka, and --publish names %s", kind)
	case b.route != "" && kind != exchangeBroker && kind != natsBroker:
		return cli.Usage("--route: %s has no routes", kind)
	case b.user != "" && b.passwordFile == "" && os.Getenv(passwordVariable) == "":
		return cli.Usage("--broker-user: has no password: set $%s, or use --broker-password-file", passwordVariable)
	case b.user == "" && b.passwordFile != "":
		return cli.Usage("--broker-password-file: requires --broker-user")
	}
	return nil
}

// readable returns an error if a file of the flags cannot be used.
func (b *brokerFlags) readable() error {
	if b.user != "" {
		if _, _, err := b.credentials(); err != nil {
			return cli.Usage("--broker-password-file: %w", err)
		}
	}
	if b.creds != "" {
		if _, err := os.ReadFile(b.creds); err != nil {
			return cli.Usage("--broker-creds: %w", err)
		}
	}
	if _, err := b.tls(); err != nil {
		return cli.Usage("--broker-ca, --broker-certificate, --broker-key: %w", err)
	}
	return nil
}

func (b *brokerFlags) tls() (*tls.Config, error) { return b.files.TLS() }

// login returns a function that reads user and password; nil without a user.
func (b *brokerFlags) login() func() (user, password string, err error) {
	if b.user == "" {
		return nil
	}
	return b.credentials
}

// credentials reads the password again for each connection, because it may have been changed.
func (b *brokerFlags) credentials() (user, password string, err error) {
	if b.passwordFile == "" {
		return b.user, os.Getenv(passwordVariable), nil
	}
	content, err := os.ReadFile(b.passwordFile)
	return b.user, strings.TrimRight(string(content), "\r\n"), err
}

// lookAtLog returns the place of a feed's publication in a message log, for a status.
func lookAtLog(ctx context.Context, log seed.Target, client *walk.Client) (all []checkpoint.Status, target lag.Target, done func(), err error) {
	head, err := client.Subscription(ctx, client.Feed, "", false)
	if err != nil {
		return nil, nil, nil, err
	}
	session := checkpoint.Open(log.Checkpoint(), false)
	session.Bind(head.ID, head.Name)
	all, err = session.Backend.(checkpoint.StatusReader).Statuses(ctx)
	for i := range all {
		all[i].URL = fetch.Shown(client.Feed)
	}
	if err != nil {
		session.Close()
	}
	return all, publication{session}, session.Close, err
}

// publication is a lag.Target that is a message log.
type publication struct{ *checkpoint.Session }

// Kept returns earlier places in the log.
func (p publication) Kept(ctx context.Context, consumer, feedID string) ([]feed.Place, error) {
	return p.Session.Kept(ctx, checkpoint.Checkpoint{Consumer: consumer, FeedID: feedID})
}

// Memory is for feeds of others, which are not published.
func (publication) Memory(string, string) checkpoint.Memory { return nil }
