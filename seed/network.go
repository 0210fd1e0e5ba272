package seed

import (
	"fmt"
	"net/url"

	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// newClient returns the client that reads one feed: what it shows of itself, it
// shows to that feed's origin only.
func (c Config) newClient(from *url.URL) (*walk.Client, error) {
	client := &fetch.Client{
		HTTP: c.HTTPClient, Logger: c.Logger, Patience: c.Patience,
		Feed: from, Credentials: c.Credentials,
	}
	for _, raw := range c.AllowOrigins {
		origin, err := fetch.ParseOrigin(raw)
		if err != nil {
			return nil, fmt.Errorf("allowed origin: %w", err)
		}
		client.AllowOrigins = append(client.AllowOrigins, origin)
	}
	return &walk.Client{Client: client}, nil
}
