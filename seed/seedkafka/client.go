package seedkafka

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/eventfeed/eventfeed/seed/broker"
)

// options are for tests.
type options struct {
	checkpoints string        // the topic with the checkpoints
	fenced      time.Duration // how long a publisher that was overtaken waits
	silence     time.Duration // how long a broker may be silent
	dial        func(ctx context.Context, network, address string) (net.Conn, error)
}

func (o options) withDefaults() options {
	if o.checkpoints == "" {
		o.checkpoints = "eventfeed-checkpoints"
	}
	if o.fenced == 0 {
		o.fenced = time.Minute
	}
	if o.silence == 0 {
		o.silence = 25 * time.Second
	}
	if o.dial == nil {
		o.dial = (&net.Dialer{Timeout: 10 * time.Second}).DialContext
	}
	return o
}

// transactionTimeout is after how long a broker aborts a transaction whose publisher has vanished. It
// is longer than a transaction may wait for one acknowledgement after the other.
const transactionTimeout = time.Minute

// maxBatch is the maximum size of a batch of records, in bytes: an event with 8 MiB of data fits.
const maxBatch = 16 << 20

// newClient returns a client that is not connected. Within a transaction it tries a request again,
// which the broker recognizes by its sequence number. It never begins a transaction by itself.
func (l *log) newClient() (*kgo.Client, error) {
	settings := []kgo.Opt{
		kgo.SeedBrokers(l.to.brokers...),
		kgo.ClientID("eventfeed"),
		kgo.WithLogger(logger{l.config.Logger}),
		kgo.DisableClientMetrics(),
		kgo.Dialer(l.connect),
		kgo.MinVersions(oldest()),
		kgo.RetryTimeout(l.options.silence),
		kgo.MetadataMinAge(250 * time.Millisecond),
		kgo.ConnIdleTimeout(15 * time.Minute), // a connection that ends lets the end be read again
		kgo.TransactionalID(l.key()),
		kgo.TransactionTimeout(transactionTimeout),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytesFn(func(string) int32 { return int32(l.maxBatch()) }),
		kgo.ProducerLinger(0),
	}
	if l.config.Credentials != nil {
		settings = append(settings, kgo.SASL(l.mechanism()))
	}
	return kgo.NewClient(settings...)
}

// connect connects to a broker: one of the URL, or one that these tell of.
func (l *log) connect(ctx context.Context, network, address string) (net.Conn, error) {
	if l.config.Credentials != nil && !l.to.tls && !l.config.PlainPassword && !isLoopback(address) {
		return nil, &broker.OperatorError{Usage: true, Err: fmt.Errorf("broker %s: %w", address, errPlainPassword), Next: "use kafka+tls:// in the URL, or allow it with --broker-plaintext"}
	}
	connection, err := l.options.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if !l.to.tls {
		return l.watch(connection), nil
	}
	config, err := l.configTLS(address)
	if err == nil {
		encrypted := tls.Client(connection, config)
		if err = encrypted.HandshakeContext(ctx); err == nil {
			return l.watch(encrypted), nil
		}
	}
	_ = connection.Close()
	return nil, err
}

// configTLS returns the configuration of TLS with a broker.
func (l *log) configTLS(address string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if l.config.TLS != nil {
		given, err := l.config.TLS()
		if err != nil {
			return nil, err
		}
		config = given.Clone()
	}
	if config.ServerName == "" {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		config.ServerName = host
	}
	return config, nil
}

// Mechanisms of SASL.
const (
	plainSASL   = "PLAIN"
	scramSHA256 = "SCRAM-SHA-256"
	scramSHA512 = "SCRAM-SHA-512"
)

func isMechanism(name string) bool {
	return name == plainSASL || name == scramSHA256 || name == scramSHA512
}

// mechanism returns the login with user and password.
func (l *log) mechanism() sasl.Mechanism {
	asSCRAM := func(context.Context) (scram.Auth, error) {
		user, password, err := l.config.Credentials()
		return scram.Auth{User: user, Pass: password}, err
	}
	switch l.config.Mechanism {
	case scramSHA256:
		return scram.Sha256(asSCRAM)
	case plainSASL:
		return plain.Plain(func(context.Context) (plain.Auth, error) {
			user, password, err := l.config.Credentials()
			return plain.Auth{User: user, Pass: password}, err
		})
	}
	return scram.Sha512(asSCRAM)
}
