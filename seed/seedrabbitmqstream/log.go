package seedrabbitmqstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/rabbitstream"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
)

// log is a broker.Log.
type log struct {
	Stream
	to address

	feed       broker.Feed
	connection *rabbitstream.Connection // nil while it is closed
	wasOpen    bool                     // in this run
	last       id                       // of the last message; 0 if there is none
	end        placed                   // after End
	overtaken  time.Time                // when another publisher was first seen to be ahead
}

// producer returns the name under which the broker keeps the id of the last message.
func (l *log) producer() string { return "eventfeed/" + l.feed.ID }

// Open connects to the node that holds the stream's leader: others may lag.
func (l *log) Open(ctx context.Context, feed broker.Feed) (err error) {
	l.Close()
	l.feed, l.end = feed, placed{}
	if err := l.connect(ctx); err != nil {
		l.Close()
		return l.explain(err)
	}
	l.wasOpen = true
	return nil
}

// connect connects to the URL's node, and from there to the leader's.
func (l *log) connect(ctx context.Context) error {
	leader, err := l.dial(ctx, l.to.Server())
	if err != nil || leader == l.connection.Node() {
		return err
	}
	l.connection.Close()
	again, err := l.dial(ctx, leader)
	switch {
	case err != nil:
		return fmt.Errorf("%s holds the leader of the stream: %w", leader, err)
	case again != l.connection.Node():
		return fmt.Errorf("%s does not hold the leader of the stream any more", leader)
	}
	return nil
}

// dial connects to a node, and asks it for the stream's leader.
func (l *log) dial(ctx context.Context, address string) (leader string, err error) {
	config := rabbitstream.Config{Address: address, VHost: l.to.VHost, Name: "eventfeed publisher, " + checkpoint.Process()}
	if config.TLS, err = l.tlsConfig(address); err != nil {
		return "", err
	}
	config.User, config.Password = "guest", "guest"
	if l.Credentials != nil {
		if config.User, config.Password, err = l.Credentials(); err != nil {
			return "", err
		}
	}
	if l.connection, err = rabbitstream.Dial(ctx, config); err != nil {
		return "", dialError{err}
	}
	return l.connection.Leader(ctx, l.to.Name)
}

// tlsConfig returns the TLS configuration for one connection; nil without TLS.
func (l *log) tlsConfig(address string) (config *tls.Config, err error) {
	switch {
	case !l.to.TLS:
		return nil, nil
	case l.TLS == nil:
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	default:
		if config, err = l.TLS(); err != nil {
			return nil, err
		}
		config = config.Clone()
	}
	if config.ServerName == "" {
		config.ServerName, _, err = net.SplitHostPort(address)
	}
	return config, err
}

// Claim makes the publisher. The broker fences nobody.
func (l *log) Claim(ctx context.Context) error {
	if l.connection == nil {
		return errClosed
	}
	return l.explain(l.connection.DeclarePublisher(ctx, l.producer(), l.to.Name))
}

var errClosed = errors.New("the stream is not open")

// Append publishes messages after the last one.
func (l *log) Append(ctx context.Context, messages []broker.Message) error {
	if l.connection == nil || len(messages) == 0 {
		return errors.Join(ctx.Err(), errClosed)
	}
	first, err := l.last.after(&messages[0])
	if err != nil {
		return err
	}
	last := first
	for i := range messages[1:] {
		if last, err = last.after(&messages[i+1]); err != nil {
			return err
		}
		if last != first+id(i)+1 {
			return fmt.Errorf("%s is not the first message of a call", &messages[i+1])
		}
	}
	err = l.connection.Publish(ctx, uint64(first), len(messages), func(i int, buffer []byte) []byte {
		return encode(&messages[i], buffer)
	})
	if err != nil {
		return l.explainAppend(err, messages)
	}
	return l.verify(ctx, last, messages)
}

// verify makes sure that the last message of this publisher is the stream's last one. The broker
// confirms what it does not store because another publisher was ahead.
func (l *log) verify(ctx context.Context, last id, messages []broker.Message) error {
	recorded, err := l.connection.LastID(ctx, l.producer(), l.to.Name)
	switch is := id(recorded); {
	case err != nil:
		return l.explainAppend(err, messages)
	case is == last:
		l.last = last
		return nil
	case is < last:
		return fmt.Errorf("the broker has confirmed position %d, and shows position %d as the last one", last.position(), is.position())
	case is.count() > last.count():
		return fmt.Errorf("another publisher has begun a generation at %s: %w", l.to, seed.ErrMoved)
	default:
		return l.ahead(is)
	}
}

// twoPublishers is after how long a publisher that is ahead is not one any more that has ended,
// whose last messages were still on their way.
const twoPublishers = time.Minute

// ahead returns an error for another publisher that has published further. What this one has
// published is there, since both give an event the same id.
func (l *log) ahead(is id) error {
	if l.overtaken.IsZero() {
		l.overtaken = time.Now()
	}
	err := fmt.Errorf("another publisher has published up to position %d of the feed to %s", is.position(), l.to)
	if time.Since(l.overtaken) > twoPublishers {
		return fmt.Errorf("%w: %w", err, seed.ErrMoved)
	}
	return err
}

// Close disconnects.
func (l *log) Close() {
	if l.connection != nil {
		l.connection.Close()
		l.connection = nil
	}
}
