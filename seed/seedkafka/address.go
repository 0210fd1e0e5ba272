package seedkafka

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"

	"github.com/eventfeed/eventfeed/internal/brokerurl"
)

// address is where a topic is.
type address struct {
	tls     bool
	brokers []string // host:port of brokers that tell which others there are
	topic   string
}

// topicName is what Kafka allows as the name of a topic.
var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// parseURL parses the URL of a Topic. It is no URL of package net/url, which allows one host only.
func parseURL(raw string) (a address, err error) {
	scheme, rest, found := strings.Cut(raw, "://")
	if !found {
		return a, errors.New("not a URL such as kafka://HOST:9092,HOST:9092/TOPIC")
	}
	switch scheme {
	case "kafka":
	case "kafka+tls":
		a.tls = true
	default:
		return a, errors.New("the scheme must be kafka or kafka+tls")
	}
	hosts, topic, _ := strings.Cut(rest, "/")
	if strings.Contains(hosts, "@") {
		return a, errors.New("has a user or a password, which other users of the machine could read; remove them from the URL")
	}
	for host := range strings.SplitSeq(hosts, ",") {
		broker, err := parseBroker(host)
		if err != nil {
			return a, err
		}
		a.brokers = append(a.brokers, broker)
	}
	if a.topic = strings.TrimSuffix(topic, "/"); a.topic == "" {
		return a, errors.New("names no topic: add /TOPIC")
	}
	if !topicName.MatchString(a.topic) {
		return a, errors.New("the name of a topic has at most 249 letters, digits, dots, underscores and hyphens, and the URL ends after it")
	}
	return a, nil
}

// defaultPort is that of a broker whose port the URL omits.
const defaultPort = "9092"

func parseBroker(host string) (string, error) {
	if host == "" {
		return "", errors.New("has no host, or an empty one in its list")
	}
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		if name, port, err = net.SplitHostPort(host + ":" + defaultPort); err != nil {
			return "", fmt.Errorf("broker %s: %w", host, err)
		}
	}
	if name == "" || port == "" {
		return "", fmt.Errorf("broker %s: has no host or no port", host)
	}
	return net.JoinHostPort(name, port), nil
}

// shown returns the parts of a URL that are no secret, whatever was typed.
func shown(raw string) string {
	scheme, rest, found := strings.Cut(raw, "://")
	if !found || strings.ContainsAny(rest, "@?#") || !topicName.MatchString(strings.TrimSuffix(scheme, "+tls")) {
		return "the URL of the broker"
	}
	return scheme + "://" + rest
}

// target names the topic: what a run publishes to, whatever hosts its brokers have.
func (a address) target() string { return "topic " + a.topic }

// servers lists the brokers as Kafka's tools want them.
func (a address) servers() string { return strings.Join(a.brokers, ",") }

// String names the topic with its brokers.
func (a address) String() string { return a.target() + " at " + a.servers() }

// allLoopback reports whether all brokers of the URL are on this machine.
func (a address) allLoopback() bool {
	for _, broker := range a.brokers {
		if !isLoopback(broker) {
			return false
		}
	}
	return true
}

// isLoopback reports whether a broker is on this machine.
func isLoopback(broker string) bool {
	host, _, err := net.SplitHostPort(broker)
	if err != nil {
		return false
	}
	return brokerurl.IsLoopback(host)
}
