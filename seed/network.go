package seed

import (
	"fmt"
	"net/url"

	"github.com/eventfeed/eventfeed/internal/fetch"
)

// fetcher returns a client for the documents of one feed. It sends credentials to that
// feed's origin only.
func (c *Config) fetcher(feed *url.URL) *fetch.Client {
	return &fetch.Client{
		HTTP: c.HTTPClient, Logger: c.Logger, Patience: c.Patience,
		Feed: feed, AllowOrigins: c.AllowOrigins, Credentials: c.Credentials, MaxDocument: c.MaxDocument,
	}
}

// normalOrigins returns origins in the form in which they are compared.
func normalOrigins(raw []string) (normal []string, err error) {
	for _, r := range raw {
		origin, err := fetch.ParseOrigin(r)
		if err != nil {
			return nil, fmt.Errorf("seed: Config.AllowOrigins: %w", err)
		}
		normal = append(normal, origin)
	}
	return normal, nil
}
