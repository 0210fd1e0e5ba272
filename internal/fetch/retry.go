package fetch

import (
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// MaxRetryAfter is the maximum delay of a Retry-After field that is honoured.
const MaxRetryAfter = 10 * time.Minute

// retryAfter returns the delay of a Retry-After field (RFC 9110 section 10.2.3), at most
// MaxRetryAfter; 0 if there is none. A date is compared with the server's own clock where
// the response has a Date.
func retryAfter(header http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(header.Get("Retry-After"))
	if text != "" && strings.Trim(text, "0123456789") == "" {
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil || seconds > int64(MaxRetryAfter/time.Second) {
			return MaxRetryAfter
		}
		return time.Duration(seconds) * time.Second
	}
	until, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		now = date
	}
	return min(max(until.Sub(now), 0), MaxRetryAfter)
}

// serverDelay returns the delay that the server asked for, with jitter; 0 if it asked for
// none.
func serverDelay(err error) time.Duration {
	status, ok := errors.AsType[*statusError](err)
	if !ok || status.after <= 0 {
		return 0
	}
	return status.after + rand.N(status.after/10+100*time.Millisecond)
}

// requestError is the error of a request without an answer, without the URL, which the caller adds.
type requestError struct{ error }

func (e *requestError) Unwrap() error { return e.error }

func withoutURL(err error) error {
	if named, ok := errors.AsType[*url.Error](err); ok { // everything that http.Client.Do returns is one
		err = named.Err
	}
	if alert, ok := errors.AsType[*net.OpError](err); ok && alert.Op == "remote error" {
		err = alert // without net/http's internal context
	}
	return &requestError{err}
}

// MayPass reports whether an error is transient.
func MayPass(err error) bool {
	if status, ok := errors.AsType[*statusError](err); ok {
		return status.mayPass()
	}
	if _, isDo := errors.AsType[*requestError](err); isDo {
		return !isPermanent(err)
	}
	_, isBroken := errors.AsType[*brokenError](err)
	return isBroken
}

func (c *Client) mayPass(err error) bool {
	return MayPass(err) || c.Patience < 0 && isUnknownName(err)
}

func isUnknownName(err error) bool {
	dns, ok := errors.AsType[*net.DNSError](err)
	return ok && dns.IsNotFound
}

func (e *statusError) mayPass() bool {
	switch e.status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	default:
		return e.status >= 500
	}
}

// isPermanent reports whether the error of a request without an answer is permanent.
func isPermanent(err error) bool {
	if errors.Is(err, errRedirect) || errors.Is(err, http.ErrSchemeMismatch) || IsTLS(err) {
		return true
	}
	if isUnknownName(err) {
		return true
	}
	if proxy, ok := errors.AsType[*proxyError](err); ok {
		return proxy.status < 500
	}
	return isNoHTTP(err)
}

// isNoHTTP reports whether the answer is not HTTP, or has a header that is too large. net/http has
// no types for these errors. A first line that was cut off counts as HTTP.
func isNoHTTP(err error) bool {
	text := err.Error()
	if line, ok := quotedBehind(text, "malformed HTTP response "); ok {
		const version = "HTTP/"
		n := min(len(line), len(version))
		return line[:n] != version[:n]
	}
	if status, ok := quotedBehind(text, "malformed HTTP status code "); ok {
		return strings.Trim(status, "0123456789") != ""
	}
	return strings.Contains(text, "net/http: server response headers exceeded")
}

func quotedBehind(text, mark string) (quoted string, ok bool) {
	if _, text, ok = strings.Cut(text, mark); !ok {
		return "", false
	}
	text, _ = strconv.QuotedPrefix(text)
	quoted, err := strconv.Unquote(text)
	return quoted, err == nil
}

// IsTLS reports whether an error comes from TLS: one side does not trust the other's certificate,
// or they have no common version.
func IsTLS(err error) bool {
	if _, isCertificate := errors.AsType[*tls.CertificateVerificationError](err); isCertificate {
		return true
	}
	if _, isNoTLS := errors.AsType[tls.RecordHeaderError](err); isNoTLS {
		return true
	}
	alert, ok := errors.AsType[*net.OpError](err)
	if ok && alert.Op == "remote error" { // a TLS alert, for which crypto/tls has no type
		return alert.Err.Error() != "tls: internal error" && alert.Err.Error() != "tls: user canceled"
	}
	return strings.HasPrefix(err.Error(), "tls: ") // for example no common version
}
