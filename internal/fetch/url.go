package fetch

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// ParseURL parses a feed's URL.
func ParseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err == nil && u.Opaque != "" && !strings.Contains(raw, "@") { // such as localhost:8080/feeds/orders
		return nil, fmt.Errorf("feed URL %q: must be an http or https URL, such as https://shop.example/feeds/orders", raw)
	}
	if err != nil || u.Opaque != "" { // not shown, because it may contain a password
		return nil, errors.New("feed URL: must be an http or https URL, such as https://shop.example/feeds/orders")
	}
	if u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("feed URL %q: must be an http or https URL, such as https://shop.example/feeds/orders", u.Redacted())
	}
	return u, nil
}

// Shown returns a feed's URL without user and password.
func Shown(u *url.URL) string {
	bare := *u
	bare.User = nil
	return bare.String()
}
