package seedrabbitmqstream

import (
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/eventfeed/eventfeed/internal/rabbitstream"
	"github.com/eventfeed/eventfeed/seed/broker"
)

// dialError is an error of connecting or of the login.
type dialError struct{ error }

func (e dialError) Unwrap() error { return e.error }

// explain makes a broker.OperatorError of an error that needs an operator. It leaves other errors,
// which may pass.
func (l *log) explain(err error) error {
	_, dialing := errors.AsType[dialError](err)
	if dialing {
		if mend := l.explainTLS(err); mend != nil {
			return mend
		}
	}
	switch code, _ := errors.AsType[rabbitstream.CodeError](err); code {
	case rabbitstream.ErrAuthenticationFailure, rabbitstream.ErrAuthentication, rabbitstream.ErrAuthenticationLoopback, rabbitstream.ErrMechanismNotSupported:
		if !l.wasOpen { // otherwise the credentials may be exchanged at this moment
			return &broker.OperatorError{Err: fmt.Errorf("the broker refused user and password: %w", err), Next: "check EVENTFEED_BROKER_USER, and the password; a broker lets guest in from its own machine only"}
		}
	case rabbitstream.ErrVHostAccessFailure:
		if !l.wasOpen {
			return &broker.OperatorError{Usage: true, Err: fmt.Errorf("there is no vhost %s, or the user may not use it: %w", l.to.VHost, err),
				Next: fmt.Sprintf("check the URL; create the vhost with: rabbitmqctl add_vhost %s; %s", l.to.VHost, l.permissions())}
		}
	case rabbitstream.ErrStreamDoesNotExist:
		if !l.wasOpen {
			return &broker.OperatorError{Usage: true, Err: fmt.Errorf("there is no stream %s in vhost %s: %w", l.to.Name, l.to.VHost, err), Next: "create it, with: " + l.create()}
		}
	case rabbitstream.ErrPreconditionFailed:
		return fmt.Errorf("%w; a broker that is low on disk or memory lets nobody publish: rabbitmq-diagnostics alarms tells", err)
	case rabbitstream.ErrAccessRefused:
		return &broker.OperatorError{Err: fmt.Errorf("the user may not publish to stream %s and read it: %w", l.to.Name, err), Next: l.permissions()}
	}
	return err
}

// explainTLS returns an OperatorError for an error of the TLS handshake; nil for other errors.
func (l *log) explainTLS(err error) error {
	if verify, is := errors.AsType[*tls.CertificateVerificationError](err); is {
		return &broker.OperatorError{Err: fmt.Errorf("the broker's certificate is not trusted: %w", verify.Err), Next: "trust its authority with: --broker-ca FILE"}
	}
	if alert, is := errors.AsType[tls.AlertError](err); is {
		return &broker.OperatorError{Err: fmt.Errorf("the broker ended the TLS handshake: %w", alert), Next: "it may want a certificate: --broker-certificate FILE --broker-key FILE"}
	}
	return nil
}

// explainAppend names the message that the broker does not take.
func (l *log) explainAppend(err error, messages []broker.Message) error {
	if silent, is := errors.AsType[*rabbitstream.SilentError](err); is {
		next := min(silent.Confirmed, len(messages)-1)
		return fmt.Errorf("%s waits: %w; rabbitmq-diagnostics alarms tells whether the broker is low on disk or memory", &messages[next], err)
	}
	large, is := errors.AsType[*rabbitstream.TooLargeError](err)
	if !is {
		return l.explain(err)
	}
	return &broker.OperatorError{
		Err:  fmt.Errorf("%s needs a frame of %d bytes, and the broker takes %d", &messages[large.Index], large.Size, large.Limit),
		Next: "raise stream.frame_max in the broker's rabbitmq.conf",
	}
}

// create returns the command that creates the stream.
func (l *log) create() string {
	return fmt.Sprintf(`rabbitmqadmin --vhost=%s declare queue name=%s durable=true arguments='{"x-queue-type": "stream"}'`, l.to.VHost, l.to.Name)
}

// permissions returns the command that gives the user the rights that a publisher needs.
func (l *log) permissions() string {
	return fmt.Sprintf("give it the rights to write and to read, with: rabbitmqctl set_permissions -p %s USER '^$' '^%s$' '^%[2]s$'", l.to.VHost, l.to.Name)
}
