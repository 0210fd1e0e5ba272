package seedkafka

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
)

var errTooOld = errors.New("the broker is too old for transactions")

// isTooOld reports whether the broker lacks a request. The library does not export its errors.
func isTooOld(err error) bool {
	text := err.Error()
	return errors.Is(err, errTooOld) || strings.Contains(text, "broker is too old") || strings.Contains(text, "below the user defined min") || strings.Contains(text, "request key is unknown")
}

// explain makes a broker.OperatorError of an error that needs an operator, and leaves others.
func (l *log) explain(err error) error {
	if _, is := errors.AsType[*broker.OperatorError](err); is || errors.Is(err, seed.ErrMismatch) {
		return err
	}
	if mend := l.explainTLS(err); mend != nil {
		return mend
	}
	switch {
	case isTooOld(err):
		return &broker.OperatorError{Usage: true, Err: fmt.Errorf("%w: it needs Kafka 0.11 or later: %w", errTooOld, err), Next: "upgrade the brokers"}
	case errors.Is(err, kerr.SaslAuthenticationFailed) && !l.loggedIn:
		return &broker.OperatorError{Err: fmt.Errorf("the broker refused user and password: %w", err), Next: "check EVENTFEED_BROKER_USER, the password, and the mechanism (--broker-sasl)"}
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return &broker.OperatorError{Usage: true, Err: fmt.Errorf("the broker does not support the SASL mechanism %s: %w", l.config.Mechanism, err), Next: "choose another one with --broker-sasl"}
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return &broker.OperatorError{Err: fmt.Errorf("the user may not write, read and describe the topics: %w", err), Next: l.permitTopics()}
	case errors.Is(err, kerr.TransactionalIDAuthorizationFailed):
		return &broker.OperatorError{Err: fmt.Errorf("the user may not use the transactional id: %w", err), Next: l.permitID()}
	case isRefused(err):
		return &broker.OperatorError{Err: fmt.Errorf("the broker refused messages: %w", err), Next: "look at the settings of the topic, at the broker's log, and at its clock"}
	case errors.Is(err, kerr.InvalidTransactionTimeout):
		return &broker.OperatorError{Usage: true, Err: fmt.Errorf("the broker allows no transactions of %v: %w", transactionTimeout, err),
			Next: fmt.Sprintf("set transaction.max.timeout.ms to at least %d in the brokers' server.properties", transactionTimeout.Milliseconds())}
	}
	return err
}

// explainTLS returns an OperatorError for an error of the TLS handshake; nil for other errors.
func (l *log) explainTLS(err error) error {
	if verify, is := errors.AsType[*tls.CertificateVerificationError](err); is {
		return &broker.OperatorError{Err: fmt.Errorf("the broker's certificate is not trusted: %w", verify.Err), Next: "trust its authority with: --broker-ca FILE"}
	}
	if _, is := errors.AsType[tls.RecordHeaderError](err); is {
		return &broker.OperatorError{Usage: true, Err: fmt.Errorf("no TLS on this port: %w", err), Next: "check the port: a broker has another one for TLS; or use kafka:// for one without"}
	}
	if alert, is := errors.AsType[tls.AlertError](err); is {
		return &broker.OperatorError{Err: fmt.Errorf("the broker ended the TLS handshake: %w", alert), Next: "it may want a certificate: --broker-certificate FILE --broker-key FILE"}
	}
	return nil
}

// permitTopics returns the commands that give a user the rights that a publisher needs.
func (l *log) permitTopics() string {
	const permit = "kafka-acls.sh --bootstrap-server %s --add --allow-principal User:NAME --operation Read --operation Write --operation Describe --operation DescribeConfigs --topic %s"
	return fmt.Sprintf("run "+permit+" and the same for --topic %s", l.to.servers(), l.to.topic, l.options.checkpoints)
}

func (l *log) permitID() string {
	return fmt.Sprintf("run kafka-acls.sh --bootstrap-server %s --add --allow-principal User:NAME --operation Write --operation Describe --transactional-id %s", l.to.servers(), l.key())
}

// isRefused reports whether the broker refused messages, and would refuse them again.
func isRefused(err error) bool {
	for _, refused := range []error{
		kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.InvalidRecord, kerr.InvalidTimestamp, kerr.PolicyViolation,
		kerr.ClusterAuthorizationFailed, kerr.UnsupportedForMessageFormat, kerr.InvalidRequiredAcks,
	} {
		if errors.Is(err, refused) {
			return true
		}
	}
	return false
}
