package seedrabbitmqstream

import (
	"fmt"

	"github.com/eventfeed/eventfeed/internal/brokerurl"
)

// address is where a stream is.
type address struct{ brokerurl.RabbitMQ }

// form is that of the URL of a Stream.
var form = brokerurl.Form{
	Scheme: "rabbitmq-stream", WithTLS: []string{"rabbitmq-stream+tls"}, Port: "5552", PortTLS: "5551", Parameter: "stream",
}

// parseURL parses the URL of a Stream.
func parseURL(raw string) (address, error) {
	r, err := form.Parse(raw)
	return address{r}, err
}

// target names the stream without its server, which may move.
func (a address) target() string { return fmt.Sprintf("stream %s of vhost %s", a.Name, a.VHost) }

// String names the stream with its server.
func (a address) String() string { return a.target() + " at " + a.Server() }
