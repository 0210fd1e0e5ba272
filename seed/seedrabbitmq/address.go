package seedrabbitmq

import (
	"fmt"

	"github.com/eventfeed/eventfeed/internal/brokerurl"
)

// address is where an exchange is.
type address struct{ brokerurl.RabbitMQ }

// form is that of the URL of an Exchange.
var form = brokerurl.Form{Scheme: "amqp", WithTLS: []string{"amqps", "amqp+tls"}, Port: "5672", PortTLS: "5671", Parameter: "exchange"}

// parseURL parses the URL of an Exchange.
func parseURL(raw string) (address, error) {
	r, err := form.Parse(raw)
	return address{r}, err
}

// target names the exchange: where a consumer of the target publishes to, whatever host its
// broker has.
func (a address) target() string { return fmt.Sprintf("exchange %s of vhost %s", a.Name, a.VHost) }

// server returns the URL of the server, for the client library.
func (a address) server() string {
	scheme := "amqp"
	if a.TLS {
		scheme = "amqps"
	}
	return scheme + "://" + a.Server()
}

// String names the exchange with its server.
func (a address) String() string { return a.target() + " at " + a.Server() }
