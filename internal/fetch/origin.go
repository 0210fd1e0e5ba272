package fetch

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxRedirects is the number of redirects at which a request fails.
const maxRedirects = 10

// MaxURL is the maximum length of the URL of a request, in bytes.
const MaxURL = 8000

// errRedirect reports a redirect that the client does not follow.
var errRedirect = errors.New("cannot follow the redirect")

// OriginError reports that a redirect or a link leads to an origin that is not allowed.
type OriginError struct {
	Origin string // the origin, in the form of Client.AllowOrigins
}

func (e *OriginError) Error() string { return "leads to another origin" }

// Origin returns a URL's origin, RFC 6454: scheme, host and port, without the scheme's default port.
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

// ParseOrigin parses an origin, which is a URL with only scheme, host and port, and returns it in
// the form of [Origin].
func ParseOrigin(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" || u.User != nil { // not shown, because it may contain a password
		return "", errors.New("must be no more than scheme, host and port, such as https://archive.example:8443")
	}
	if u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("%q: must be no more than scheme, host and port, such as https://archive.example:8443", u.Redacted())
	}
	return Origin(u), nil
}

// feed returns the feed's URL; nil before the first request if Feed is nil.
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

// Allows reports whether requests may go to a URL, because it is on the feed's own origin or on an
// allowed one. If Feed is nil, there is no own origin before the first request.
func (c *Client) Allows(u *url.URL) bool { return c.CheckOrigin(u) == nil }

// CheckOrigin returns an OriginError unless [Client.Allows] the URL.
func (c *Client) CheckOrigin(u *url.URL) error {
	if c.isOwn(u) {
		return nil
	}
	if slices.Contains(c.AllowOrigins, Origin(u)) {
		return nil
	}
	return &OriginError{Origin(u)}
}

// redirect returns a function that decides whether to follow a redirect, and sets the credentials
// of the next request, for any http.Client.
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
