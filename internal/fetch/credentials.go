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

// Credentials returns header fields for requests to the feed's own origin; other origins do not get
// them. It is called before each request, from several goroutines, and once more after status 401.
// The result is not modified.
type Credentials func() (http.Header, error)

// show returns the credentials for requests to the feed's own origin. A user in the feed's URL
// takes precedence over the Authorization of Credentials.
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

// authorize sets the credentials of a request to the feed's own origin, and removes them from any
// other. http is another origin than https.
func (c *Client) authorize(request *http.Request, shown http.Header) {
	request.Header.Del("Authorization")
	request.Header.Del("Referer") // the URL's query may contain a secret
	for name := range shown {
		request.Header.Del(name)
	}
	if c.isOwn(request.URL) {
		maps.Copy(request.Header, shown)
	}
	if request.URL.User != nil { // that of a link, or that of the feed, which show has added
		bare := *request.URL
		bare.User = nil
		request.URL = &bare
	}
}

// credentialsError is an error of Credentials, before a request.
type credentialsError struct{ error }

func (e *credentialsError) Unwrap() error { return e.error }

func (e *credentialsError) Error() string { return "no credentials: " + e.error.Error() }

// ownFields are the header fields that the client sets itself, or that it must not set: those of
// the connection (RFC 9110 section 7.6.1), of the body, and of conditions.
var ownFields = []string{
	"A-Im", "Accept", "Accept-Encoding", "Cache-Control", "Connection", "Content-Encoding", "Content-Length", "Content-Type",
	"Expect", "Host", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since", "Keep-Alive",
	"Prefer", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Range", "Referer", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade", "User-Agent",
}

// ParseField parses a header field such as "X-Api-Key: 1234". No error contains the value.
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

// maxBearer is the maximum size of a file with a token, in bytes. Servers refuse longer tokens.
const maxBearer = 16 << 10

// Bearer sends the token in a file as Authorization: Bearer, RFC 6750, together with other fields.
// It reads the file for each request, so a new token is used at once. While the file is empty or
// missing, it uses the previous token.
type Bearer struct {
	Path   string
	Fields http.Header // the other fields; not modified

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

// readToken reads a file with one token. No error contains a part of the token.
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
