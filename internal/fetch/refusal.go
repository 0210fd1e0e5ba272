package fetch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"
	"unicode"
)

// statusError is an answer with an error status.
type statusError struct {
	status int
	reason string
	after  time.Duration // the delay that the server asks for; 0 if none
	plain  bool          // the server uses TLS, and the request did not
	shown  bool          // the request had credentials
}

func newStatusError(answer *http.Response, body []byte) *statusError {
	e := &statusError{
		status: answer.StatusCode,
		reason: reason(answer.Header.Get("Content-Type"), body),
		after:  retryAfter(answer.Header, time.Now()),
	}
	if e.status == http.StatusBadRequest && answer.TLS == nil && len(body) < 4096 && bytes.Contains(body, []byte("HTTPS")) {
		e.plain, e.reason = true, ErrSpeaksTLS.Error() // nginx, Apache and Go answer so, each in its own words
	}
	return e
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("server answered %d %s", e.status, http.StatusText(e.status))
	if e.reason != "" {
		text += ": " + e.reason
	}
	return text
}

// Is matches ErrUnauthorized, ErrForbidden and ErrSpeaksTLS.
func (e *statusError) Is(target error) bool {
	return e.plain && target == ErrSpeaksTLS ||
		target == ErrUnauthorized && e.status == http.StatusUnauthorized ||
		target == ErrForbidden && e.status == http.StatusForbidden
}

// maxReason is the maximum length of a server's reason in messages, in bytes.
const maxReason = 300

// reason returns the server's reason for an error status in one line: the detail of a problem (RFC
// 9457), or the first line of plain text.
func reason(contentType string, body []byte) string {
	text := ""
	switch kind, _, _ := mime.ParseMediaType(contentType); kind {
	case "text/plain":
		text = string(body)
	case "application/problem+json":
		var problem struct{ Title, Detail string }
		if json.Unmarshal(body, &problem) != nil {
			return ""
		}
		if text = problem.Detail; text == "" {
			text = problem.Title
		}
	}
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	line = strings.ToValidUTF8(line[:min(len(line), maxReason)], "")
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, line)
}

// WasShown reports whether a refused request had [Credentials].
func WasShown(err error) bool {
	status, ok := errors.AsType[*statusError](err)
	return ok && status.shown
}

// IsMissing reports whether the server answered 404 or 410.
func IsMissing(err error) bool {
	status, ok := errors.AsType[*statusError](err)
	return ok && (status.status == http.StatusNotFound || status.status == http.StatusGone)
}
