package seednats

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventfeed/eventfeed/seed/broker"
)

// JetStream's error codes, beside those that its client library has.
const (
	errStorage       = jetstream.ErrorCode(10047) // insufficient storage resources
	errAccountLimits = jetstream.ErrorCode(10002)
	errStoreFailed   = jetstream.ErrorCode(10077) // a limit, with discard new
)

// explainLogin explains an error of connecting and of the login.
func (l *log) explainLogin(err error) error {
	if l.loggedIn { // certificates and passwords may be exchanged at this moment
		return fmt.Errorf("connect to %s: %w", strings.Join(l.to.hosts, ","), err)
	}
	if verify, is := errors.AsType[*tls.CertificateVerificationError](err); is {
		return &broker.OperatorError{Err: fmt.Errorf("the broker's certificate is not trusted: %w", verify.Err), Next: "trust its authority with: --broker-ca FILE"}
	}
	if alert, is := errors.AsType[*net.OpError](err); is && alert.Op == "remote error" {
		return &broker.OperatorError{Err: fmt.Errorf("the broker ended the TLS handshake: %w", alert), Next: "it may want a certificate: --broker-certificate FILE --broker-key FILE"}
	}
	switch {
	case errors.Is(err, nats.ErrTLS):
		return fmt.Errorf("the TLS handshake with %s failed; the server may want a certificate (--broker-certificate FILE --broker-key FILE): %w", strings.Join(l.to.hosts, ","), err)
	case errors.Is(err, nats.ErrSecureConnWanted):
		return &broker.OperatorError{Usage: true, Err: fmt.Errorf("the server has no TLS: %w", err), Next: "configure tls in the server, or use nats://"}
	case isAuthorization(err):
		return &broker.OperatorError{Err: fmt.Errorf("the server refused the login: %w", err), Next: "check --broker-user and the password, or --broker-creds"}
	}
	return fmt.Errorf("connect to %s: %w", strings.Join(l.to.hosts, ","), err)
}

func isAuthorization(err error) bool {
	for _, refused := range []error{nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAccountAuthExpired} {
		if errors.Is(err, refused) {
			return true
		}
	}
	return false
}

// explain makes a broker.OperatorError of an error that needs an operator. It leaves other errors, which
// may pass.
func (l *log) explain(err error) error {
	if errors.Is(err, nats.ErrPermissionViolation) {
		return &broker.OperatorError{Err: fmt.Errorf("the user lacks a right: %w", err), Next: l.permissions()}
	}
	if errors.Is(err, nats.ErrNoResponders) {
		if has, _ := l.conn.nc.ConnectedServerJetStream(); has || l.settings.Name != "" {
			return fmt.Errorf("JetStream does not answer at the moment: %w", err)
		}
		return noJetStream(err)
	}
	refused, is := errors.AsType[*jetstream.APIError](err)
	switch {
	case !is:
		return err
	case l.settings.Name != "": // this run has seen the stream: it may be moved or restored at this moment
		return fmt.Errorf("%s: %w", l.to.target(), said(refused))
	}
	switch refused.ErrorCode {
	case jetstream.JSErrCodeJetStreamNotEnabled, jetstream.JSErrCodeJetStreamNotEnabledForAccount:
		return noJetStream(err)
	case jetstream.JSErrCodeStreamNotFound:
		return &broker.OperatorError{Usage: true, Err: fmt.Errorf("there is no %s", l.to.target()), Next: "create it with: " + l.create(l.to.stream)}
	}
	return said(refused)
}

// said is an error in the server's own words.
func said(e *jetstream.APIError) error {
	return fmt.Errorf("the server said: %s (%d)", e.Description, e.ErrorCode)
}

func noJetStream(err error) error {
	return &broker.OperatorError{Usage: true, Err: fmt.Errorf("the server, or the user's account, has no JetStream: %w", err), Next: "enable it in the server's configuration: jetstream { store_dir: … }, and for the account"}
}

func tooOld(version string) error {
	return &broker.OperatorError{Usage: true, Err: fmt.Errorf("the server has version %s, and a publication needs %d.%d", version, minMajor, minMinor), Next: "upgrade nats-server"}
}

// permissions returns the rights that a publisher needs, as the server's configuration has them.
func (l *log) permissions() string {
	return fmt.Sprintf(`give it: publish = ["%s", "$JS.API.STREAM.INFO.%[2]s", "$JS.API.STREAM.MSG.GET.%[2]s"], subscribe = ["%[3]s.>"]`, l.wanted(), l.to.stream, inboxPrefix)
}

// refused explains why the stream has not stored a message.
func (p *pipeline) refused(m *broker.Message, e *jetstream.APIError) error {
	switch e.ErrorCode {
	case jetstream.JSErrCodeStreamWrongLastSequence, jetstream.JSErrCodeStreamWrongLastSequenceConstant:
		p.contested = true
		return fmt.Errorf("%s does not follow the last message of %s any more: %w", m, p.to.target(), said(e))
	case errStoreFailed:
		return fmt.Errorf("%s was not stored, %s: %w", m, p.full(e.Description), said(e))
	case errStorage, errAccountLimits:
		return fmt.Errorf("%s was not stored, the server or the account has no storage left: %w", m, said(e))
	case jetstream.JSErrCodeStreamMessageExceedsMaximum:
		return &broker.OperatorError{Err: fmt.Errorf("%s was not stored: %w", m, said(e)), Next: fmt.Sprintf("raise the limit with: nats stream edit %s --max-msg-size=BYTES", p.to.stream)}
	}
	return fmt.Errorf("%s was not stored: %w", m, said(e))
}

// full names the limit that a stream has reached which discards new messages.
func (p *pipeline) full(description string) string {
	var limit string
	var value int64
	switch description {
	case "maximum messages exceeded":
		limit, value = "max-msgs", p.settings.MaxMsgs
	case "maximum bytes exceeded":
		limit, value = "max-bytes", p.settings.MaxBytes
	case "maximum messages per subject exceeded":
		limit, value = "max-msgs-per-subject", p.settings.MaxMsgsPerSubject
	default:
		return "the server could not write it"
	}
	return fmt.Sprintf("%s is full and discards new messages: it has reached %s=%d; raise the limit with: nats stream edit %s --%[2]s=N, or let it discard old messages with --discard=old",
		p.to.target(), limit, value, p.to.stream)
}

// maxSubject is the maximum size of a subject, in bytes: a server takes lines of 4,096 by default
// (max_control_line), with the reply subject and two sizes.
const maxSubject = 4096 - 128

func longSubject(m *broker.Message, subject string) error {
	return &broker.OperatorError{
		Err:  fmt.Errorf("%s has a subject of %d bytes, and a server takes %d: %.80s…", m, len(subject), maxSubject, subject),
		Next: "choose a --route that is shorter, such as {feed}.{type}",
	}
}

func largeHeaders(m *broker.Message, size int) error {
	return &broker.OperatorError{
		Err:  fmt.Errorf("the attributes of %s take %d bytes as headers, and a stream allows %d", m, size, maxHeader),
		Next: "the event cannot be published to JetStream: put what is large into its data",
	}
}
