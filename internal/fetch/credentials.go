package fetch

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/net/http/httpguts"

	"github.com/eventfeed/eventfeed/internal/bom"
)

// Credentials gives the header fields that requests to the feed's own origin
// are made with, and no others. It is asked before each request, from several
// goroutines, and once more when the server has answered 401. What it returns
// is not changed.
type Credentials func() (http.Header, error)

// show returns what requests to the feed's own origin show: a user in the
// feed's URL goes before the Authorization of Credentials.
func (c *Client) show() (http.Header, error) {
	shown := http.Header{}
	if c.Credentials != nil {
		given, err := c.Credentials()
		if err != nil {
			return nil, &credentialsError{err}
		}
		maps.Copy(shown, given)
	}
	if feed := c.feed(); feed.User != nil {
		request := http.Request{Header: http.Header{}}
		password, _ := feed.User.Password()
		request.SetBasicAuth(feed.User.Username(), password)
		shown["Authorization"] = request.Header["Authorization"]
	}
	return shown, nil
}

// authorize gives a request what its origin may know of us, and takes away
// what it may not: credentials are for the feed's own origin, which http is
// not where the feed is on https.
func (c *Client) authorize(request *http.Request, shown http.Header) {
	request.Header.Del("Authorization")
	request.Header.Del("Referer") // the URL may have a secret in its query
	for name := range shown {
		request.Header.Del(name)
	}
	if c.isOwn(request.URL) {
		maps.Copy(request.Header, shown)
	}
	if request.URL.User != nil { // a link's, or the feed's, which is among what is shown
		bare := *request.URL
		bare.User = nil
		request.URL = &bare
	}
}

// credentialsError is an error of what should be shown, before a request.
type credentialsError struct{ error }

func (e *credentialsError) Unwrap() error { return e.error }

func (e *credentialsError) Error() string { return "no credentials: " + e.error.Error() }

// ownFields are those that a client sets itself, or that are not for it to set:
// those of the connection (RFC 9110 section 7.6.1), of the body, of conditions.
var ownFields = []string{
	"A-Im", "Accept", "Accept-Encoding", "Cache-Control", "Connection", "Content-Encoding", "Content-Length", "Content-Type",
	"Expect", "Host", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since", "Keep-Alive",
	"Prefer", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Range", "Referer", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade", "User-Agent",
}

// ParseField reads a header field, as in "X-Api-Key: 1234". No error shows the
// value.
func ParseField(line string) (name, value string, err error) {
	name, value, ok := strings.Cut(line, ":")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	switch {
	case !ok || !httpguts.ValidHeaderFieldName(name):
		return "", "", fmt.Errorf("must be a name, a colon and a value, such as 'X-Api-Key: 1234'")
	case !httpguts.ValidHeaderFieldValue(value) || value == "":
		return "", "", fmt.Errorf("%s: has an invalid value for a header field", name)
	case slices.Contains(ownFields, http.CanonicalHeaderKey(name)):
		return "", "", fmt.Errorf("%s: is set by the program itself, or cannot be set", name)
	}
	return http.CanonicalHeaderKey(name), value, nil
}

// maxBearer bounds a file with a token, in bytes. Servers refuse longer ones.
const maxBearer = 16 << 10

// Bearer shows the token that stands in a file, as Authorization: Bearer,
// RFC 6750, beside other fields. The file is read for each request, so a token
// that was replaced is used at once; while the file is empty or away the token
// before is.
type Bearer struct {
	Path   string
	Fields http.Header // shown too; not changed

	mu   sync.Mutex
	last string
}

// Show is a [Credentials].
func (b *Bearer) Show() (http.Header, error) {
	token, err := b.token()
	if err != nil {
		return nil, err
	}
	shown := http.Header{}
	maps.Copy(shown, b.Fields)
	shown.Set("Authorization", "Bearer "+token)
	return shown, nil
}

func (b *Bearer) token() (string, error) {
	token, err := readToken(b.Path)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		b.last = token
	} else if b.last == "" {
		return "", err
	}
	return b.last, nil
}

// readToken reads a file of one token. No error shows any of it.
func readToken(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, maxBearer+1))
	if err != nil {
		return "", err
	}
	token := string(bytes.TrimSpace(bom.Trim(content)))
	switch {
	case len(content) > maxBearer:
		return "", fmt.Errorf("%s: has more than %d KiB, which is no token", path, maxBearer>>10)
	case token == "":
		return "", fmt.Errorf("%s: is empty, and should hold a token", path)
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", fmt.Errorf("%s: must hold a token and nothing else, on one line", path)
	}
	return token, nil
}
