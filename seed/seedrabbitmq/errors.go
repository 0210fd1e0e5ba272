package seedrabbitmq

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/eventfeed/eventfeed/seed/broker"
)

// dialError is an error of connecting or of the login.
type dialError struct{ error }

func (e dialError) Unwrap() error { return e.error }

// explain makes a broker.OperatorError of an error that needs an operator. It leaves other errors, which
// may pass, in plain words.
func (d *delivery) explain(err error) error {
	_, dialing := errors.AsType[dialError](err)
	if dialing {
		if mend := d.explainTLS(err); mend != nil {
			return mend
		}
	}
	e, is := errors.AsType[*amqp.Error](err)
	if !is {
		return err
	}
	said := fmt.Errorf("the broker said: %s (%d)", e.Reason, e.Code)
	if !e.Server {
		said = fmt.Errorf("the connection to the broker broke: %s", e.Reason)
	}
	switch {
	// The ends of the reasons tell them apart: what stands before may be the name of an exchange or a user.
	case e.Code == amqp.NotAllowed && strings.HasSuffix(e.Reason, "is reached"): // a limit of connections
		return said
	case dialing && !e.Server && e.Code == amqp.AccessRefused && e.Reason != amqp.ErrCredentials.Reason:
		return said // it broke off before it was said whether the vhost may be used
	case e.Code == amqp.NotAllowed && strings.HasSuffix(e.Reason, "not found"):
		return &broker.OperatorError{Usage: true, Err: fmt.Errorf("there is no vhost %s: %w", d.to.VHost, said), Next: "check the URL, or create the vhost with: rabbitmqctl add_vhost " + d.to.VHost}
	case e.Code == amqp.NotAllowed && strings.Contains(e.Reason, "refused for user"):
		return &broker.OperatorError{Err: fmt.Errorf("the user may not use the vhost %s: %w", d.to.VHost, said), Next: d.permissions()}
	case e.Code == amqp.AccessRefused && dialing && d.loggedIn:
		return said // the credentials may be exchanged at this moment
	case e.Code == amqp.AccessRefused && dialing:
		return &broker.OperatorError{Err: errors.New("the broker refused user and password"), Next: "check EVENTFEED_BROKER_USER, and the password; a broker lets guest in from its own machine only"}
	case e.Code == amqp.AccessRefused:
		return &broker.OperatorError{Err: fmt.Errorf("the user may not publish to the exchange: %w", said), Next: d.permissions()}
	case e.Code == amqp.NotFound:
		return &broker.OperatorError{Usage: true, Err: fmt.Errorf("the exchange does not exist: %w", said),
			Next: fmt.Sprintf("create it, with the queues that get its messages; for example: rabbitmqadmin --vhost=%s declare exchange name=%s type=topic durable=true", d.to.VHost, d.to.Name)}
	case e.Code == amqp.PreconditionFailed && strings.Contains(e.Reason, "message size"):
		return &broker.OperatorError{Err: fmt.Errorf("%s: %w", d.tooLarge(e.Reason), said), Next: "raise max_message_size in the broker's rabbitmq.conf"}
	}
	return said
}

// explainTLS returns an OperatorError for an error of the TLS handshake; nil for other errors.
func (d *delivery) explainTLS(err error) error {
	if verify, is := errors.AsType[*tls.CertificateVerificationError](err); is {
		return &broker.OperatorError{Err: fmt.Errorf("the broker's certificate is not trusted: %w", verify.Err), Next: "trust its authority with: --broker-ca FILE"}
	}
	if _, is := errors.AsType[tls.RecordHeaderError](err); is {
		return &broker.OperatorError{Usage: true, Err: fmt.Errorf("no TLS on port %s: %w", d.to.Port, err), Next: "check the port: RabbitMQ has 5671 for TLS, and 5672 without"}
	}
	if alert, is := errors.AsType[tls.AlertError](err); is {
		return &broker.OperatorError{Err: fmt.Errorf("the broker ended the TLS handshake: %w", alert), Next: "it may want a certificate: --broker-certificate FILE --broker-key FILE"}
	}
	return nil
}

// permissions returns the command that gives the user the rights that a publisher needs.
func (d *delivery) permissions() string {
	return fmt.Sprintf("give it the right to write, with: rabbitmqctl set_permissions -p %s USER '^$' '^%s$' '^$'", d.to.VHost, d.to.Name)
}

// tooLarge names the message that the broker found too large. The broker tells its size only.
func (d *delivery) tooLarge(reason string) string {
	for i := d.done; i < d.n; i++ {
		m, err := d.at(i)
		if err == nil && strings.Contains(reason, fmt.Sprintf(" %d ", len(m.Data))) {
			return fmt.Sprintf("%s, with %d bytes, is too large for the broker", m, len(m.Data))
		}
	}
	return "a message is too large for the broker"
}

// refusedError reports a message that the broker does not take.
type refusedError struct{ message string }

func (e refusedError) Error() string {
	return e.message + " was refused: a queue that it is routed to is full and rejects messages (x-overflow), or has failed"
}

func isRefused(err error) bool {
	_, is := errors.AsType[refusedError](err)
	return is
}

func unroutable(to address, key string, m *broker.Message) error {
	return &broker.OperatorError{
		Err:  fmt.Errorf("%s went to no queue: %s has no binding for the routing key %q", m, to.target(), key),
		Next: "bind a queue to it, or go on without such messages with: --unroutable count",
	}
}

func longKey(key string, m *broker.Message) error {
	return &broker.OperatorError{
		Err:  fmt.Errorf("%s has a routing key of %d bytes, and AMQP allows %d: %.80q…", m, len(key), maxShort, key),
		Next: "choose a --route that is shorter, such as {feed}",
	}
}

func largeHeaders(size, frame int, m *broker.Message) error {
	return &broker.OperatorError{
		Err:  fmt.Errorf("the attributes of %s take %d bytes as headers, and the broker's frames have %d", m, size, frame),
		Next: "raise frame_max in the broker's rabbitmq.conf",
	}
}

// waitingError reports a message that a broker, to which there is a connection, does not take.
type waitingError struct{ message, reason string }

func (e waitingError) Error() string { return e.message + " waits: " + e.reason }

func isWaiting(err error) bool {
	_, is := errors.AsType[waitingError](err)
	return is
}
