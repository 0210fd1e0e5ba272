package fetch

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxRedirects is how many redirects a request follows.
const maxRedirects = 10

// MaxURL bounds a URL that requests are sent to, in bytes.
const MaxURL = 8000

// errRedirect says that the server sends its readers where they do not follow.
var errRedirect = errors.New("cannot follow the redirect")

// OriginError says that a redirect or a link leads to an origin that requests
// may not go to.
type OriginError struct {
	Origin string // as it would have to be allowed
}

func (e *OriginError) Error() string { return "leads to another origin" }

// Origin is what of a URL says which server it is of: scheme, host and port,
// RFC 6454, in one form whether the port is named or is the scheme's own.
func Origin(u *url.URL) string {
	scheme, host, port := strings.ToLower(u.Scheme), strings.ToLower(u.Hostname()), u.Port()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port != "" && (scheme != "http" || port != "80") && (scheme != "https" || port != "443") {
		host += ":" + port
	}
	return scheme + "://" + host
}

// ParseOrigin reads an origin, a URL of which no more is given than scheme,
// host and port, into the form of [Origin].
func ParseOrigin(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" || u.User != nil { // not shown, it may hold a password
		return "", errors.New("must be no more than scheme, host and port, such as https://archive.example:8443")
	}
	if u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("%q: must be no more than scheme, host and port, such as https://archive.example:8443", u.Redacted())
	}
	return Origin(u), nil
}

// feed is the URL whose origin is the client's own.
func (c *Client) feed() *url.URL {
	if c.Feed != nil {
		return c.Feed
	}
	return c.first.Load()
}

// isOwn reports whether a URL is on the feed's own origin.
func (c *Client) isOwn(u *url.URL) bool {
	feed := c.feed()
	return feed != nil && Origin(u) == Origin(feed)
}

// Allows reports whether requests may go to a URL: it is on the feed's own
// origin, or on one that was allowed. Before the first request there is no own
// origin, unless Feed says it.
func (c *Client) Allows(u *url.URL) bool { return c.CheckOrigin(u) == nil }

// CheckOrigin is [Client.Allows], with the error to return where it does not.
func (c *Client) CheckOrigin(u *url.URL) error {
	if c.isOwn(u) {
		return nil
	}
	if slices.Contains(c.AllowOrigins, Origin(u)) {
		return nil
	}
	return &OriginError{Origin(u)}
}

// redirect decides whether a redirect is followed, and what the next request
// shows. It holds for every http.Client, whatever that would do itself.
func (c *Client) redirect(shown http.Header) func(*http.Request, []*http.Request) error {
	return func(next *http.Request, via []*http.Request) error {
		if len(via) >= maxRedirects {
			return fmt.Errorf("%w to %s: it is the tenth", errRedirect, next.URL.Redacted())
		}
		if len(next.URL.String()) > MaxURL {
			return fmt.Errorf("%w: its URL has more than %d bytes", errRedirect, MaxURL)
		}
		if err := c.CheckOrigin(next.URL); err != nil {
			advice := ", give that URL if it is where the feed is now"
			if IsLinkLocal(next.Context(), next.URL) {
				advice = ", where no feed is"
			}
			return fmt.Errorf("%w to %s: it %w%s", errRedirect, next.URL.Redacted(), err, advice)
		}
		c.authorize(next, shown)
		if c.HTTP.CheckRedirect != nil {
			return c.HTTP.CheckRedirect(next, via)
		}
		return nil
	}
}
