//go:build unix

package seedkafka_test

import (
	"crypto/tls"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testkafka"
	"github.com/eventfeed/eventfeed/seed/broker"
	"github.com/eventfeed/eventfeed/seed/broker/logtest"
	"github.com/eventfeed/eventfeed/seed/seedkafka"
)

const checkpoints = "eventfeed-checkpoints"

// publisherRights are the least that a publisher needs.
func publisherRights(node *testkafka.Node, t *testing.T, user, topic string) {
	t.Helper()
	node.Allow(t, user, kadm.NewACLs().Topics(topic, checkpoints).Operations(kadm.OpRead, kadm.OpWrite, kadm.OpDescribe, kadm.OpDescribeConfigs))
	node.Allow(t, user, kadm.NewACLs().TransactionalIDs("eventfeed/"+topic+"/").ResourcePatternType(kadm.ACLPatternPrefixed).Operations(kadm.OpWrite, kadm.OpDescribe))
}

func as(user, password string) func() (string, string, error) {
	return func() (string, string, error) { return user, password, nil }
}

// publish publishes three messages to a topic.
func publish(t *testing.T, topic seedkafka.Topic) error {
	t.Helper()
	l := seedkafka.NewLog(topic, seedkafka.Options{})
	t.Cleanup(l.Close)
	if err := l.Open(t.Context(), logtest.Feed); err != nil {
		return err
	}
	if err := l.Claim(t.Context()); err != nil {
		return err
	}
	if _, _, err := l.End(t.Context()); err != nil {
		return err
	}
	return l.Append(t.Context(), logtest.Messages(1, 0, 3))
}

func TestTheLeastRightsSufficeToPublish(t *testing.T) {
	t.Parallel()
	node := testkafka.Start(t)
	node.Checkpoints(t)
	for name, test := range map[string]struct {
		mechanism string
		encrypted bool
	}{
		"SCRAM-SHA-512 by default":    {"", false},
		"SCRAM-SHA-256":               {"SCRAM-SHA-256", false},
		"SCRAM-SHA-512 encrypted":     {"SCRAM-SHA-512", true},
		"PLAIN":                       {"PLAIN", false},
		"PLAIN encrypted":             {"PLAIN", true},
		"a certificate of the client": {"none", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			user, password := node.User(t)
			topic := seedkafka.Topic{URL: "kafka://" + node.AddressSASL() + "/", Mechanism: test.mechanism, TLS: trust(node)}
			if test.encrypted {
				topic.URL = "kafka+tls://" + node.AddressSASLTLS() + "/"
			}
			switch test.mechanism {
			case "PLAIN":
				user, password = testkafka.PlainUser, testkafka.PlainPassword
			case "none":
				topic.URL, topic.Mechanism = "kafka+tls://"+node.AddressTLS()+"/", ""
				topic.TLS = present(t, node, user)
				user, password = "CN="+user, ""
			}
			if password != "" {
				topic.Credentials = as(user, password)
			}
			name := node.Topic(t, 1)
			topic.URL += name
			publisherRights(node, t, user, name)
			must.OK(t, publish(t, topic))
			if all := read(t, node, name); len(all) != 3 {
				t.Errorf("%d messages", len(all))
			}
		})
	}
}

// trust trusts the broker's certificate.
func trust(node *testkafka.Node) func() (*tls.Config, error) {
	return func() (*tls.Config, error) {
		return &tls.Config{RootCAs: node.Authority.Pool(), MinVersion: tls.VersionTLS12}, nil
	}
}

// present is trust with a certificate of the client.
func present(t *testing.T, node *testkafka.Node, name string) func() (*tls.Config, error) {
	t.Helper()
	pair, err := tls.X509KeyPair(node.Authority.Issue(t, name, time.Now().Add(time.Hour)))
	must.OK(t, err)
	return func() (*tls.Config, error) {
		return &tls.Config{RootCAs: node.Authority.Pool(), Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
	}
}

func TestWhatALoginLacksIsSaid(t *testing.T) {
	t.Parallel()
	node := testkafka.Start(t)
	node.Checkpoints(t)
	for name, test := range map[string]struct {
		change     func(t *testing.T, topic *seedkafka.Topic, name, user, password string)
		usage      bool
		text, next string
	}{
		"a wrong password": {func(_ *testing.T, topic *seedkafka.Topic, _, user, _ string) {
			topic.Credentials = as(user, "wrong")
		}, false, "refused user and password", "EVENTFEED_BROKER_USER"},
		"a wrong password of PLAIN": {func(_ *testing.T, topic *seedkafka.Topic, _, _, _ string) {
			topic.Mechanism, topic.Credentials = "PLAIN", as(testkafka.PlainUser, "wrong")
		}, false, "refused user and password", "--broker-sasl"},
		"no user": {func(_ *testing.T, topic *seedkafka.Topic, _, _, _ string) {
			topic.Credentials = as("nobody", "wrong")
		}, false, "refused user and password", "EVENTFEED_BROKER_USER"},
		"no rights": {func(*testing.T, *seedkafka.Topic, string, string, string) {}, false, "may not write, read and describe", "kafka-acls.sh"},
		"no right to the transactional id": {func(t *testing.T, _ *seedkafka.Topic, name, user, _ string) {
			node.Allow(t, user, kadm.NewACLs().Topics(name, checkpoints).Operations(kadm.OpRead, kadm.OpWrite, kadm.OpDescribe, kadm.OpDescribeConfigs))
		}, false, "may not use the transactional id", "--transactional-id eventfeed/"},
		"no right to write": {func(t *testing.T, _ *seedkafka.Topic, name, user, _ string) {
			node.Allow(t, user, kadm.NewACLs().Topics(name, checkpoints).Operations(kadm.OpRead, kadm.OpDescribe, kadm.OpDescribeConfigs))
			node.Allow(t, user, kadm.NewACLs().TransactionalIDs("eventfeed/").ResourcePatternType(kadm.ACLPatternPrefixed).Operations(kadm.OpWrite, kadm.OpDescribe))
		}, false, "may not write, read and describe", "--operation Write"},
		"an authority that is not known": {func(_ *testing.T, topic *seedkafka.Topic, name, _, _ string) {
			topic.URL, topic.TLS = "kafka+tls://"+node.AddressTLS()+"/"+name, nil
		}, false, "certificate is not trusted", "--broker-ca"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			user, password := node.User(t)
			name := node.Topic(t, 1)
			topic := seedkafka.Topic{URL: "kafka://" + node.AddressSASL() + "/" + name, Credentials: as(user, password)}
			test.change(t, &topic, name, user, password)
			wantOperator(t, publish(t, topic), test.usage, test.text, test.next)
		})
	}
}

// A password may be exchanged while a publisher runs: first at the broker, or first at the publisher.
func TestAPasswordThatWasRightIsTriedAgain(t *testing.T) {
	t.Parallel()
	node := testkafka.Start(t)
	node.Checkpoints(t)
	user, password := node.User(t)
	name := node.Topic(t, 1)
	publisherRights(node, t, user, name)
	l := seedkafka.NewLog(seedkafka.Topic{URL: "kafka://" + node.AddressSASL() + "/" + name, Credentials: func() (string, string, error) { return user, password, nil }}, seedkafka.Options{})
	t.Cleanup(l.Close)
	must.OK(t, l.Open(t.Context(), logtest.Feed))
	right := password
	password = "other"
	err := l.Open(t.Context(), logtest.Feed)
	if _, operator := errors.AsType[*broker.OperatorError](err); err == nil || operator || !strings.Contains(err.Error(), "SASL") {
		t.Errorf("%v", err)
	}
	password = right
	must.OK(t, l.Open(t.Context(), logtest.Feed))
}

// A broker that is started again, or a proxy before none, closes connections too.
func TestALoginThatBreaksOffIsTriedAgain(t *testing.T) {
	t.Parallel()
	node := testkafka.Start(t)
	for what, topic := range map[string]seedkafka.Topic{
		"TLS where there is none":       {URL: "kafka+tls://" + node.Address() + "/orders", TLS: trust(node)},
		"no TLS where there is":         {URL: "kafka://" + node.AddressTLS() + "/orders"},
		"a login where there is none":   {URL: "kafka://" + node.Address() + "/orders", Credentials: as("u", "p")},
		"no login where there is one":   {URL: "kafka://" + node.AddressSASL() + "/orders"},
		"no broker":                     {URL: "kafka://127.0.0.1:1/orders"},
		"a first broker that is absent": {URL: "kafka://127.0.0.1:1,127.0.0.1:2/orders"},
	} {
		err := publish(t, topic)
		if _, operator := errors.AsType[*broker.OperatorError](err); err == nil || operator {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestABrokerThatIsTooOldIsRefused(t *testing.T) {
	t.Parallel()
	wantOperator(t, publish(t, seedkafka.Topic{URL: "kafka://" + testkafka.Old(t) + "/orders"}), true, "too old", "upgrade")
}
