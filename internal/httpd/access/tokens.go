package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/eventfeed/eventfeed/internal/bom"
)

// Errors of a request's token.
var (
	// ErrNoToken: the request has none.
	ErrNoToken = errors.New("a token is required: send it as Authorization: Bearer TOKEN, or as the password of HTTP Basic")
	// ErrUnknownToken: the request has one that is in nobody's name.
	ErrUnknownToken = errors.New("unknown token; it may have been revoked")
	// ErrNotGranted: the token is good, but not for this. It is the server's to
	// return, and of a feed that the token may read; any other is not there.
	ErrNotGranted = errors.New("the token may read this feed, but not append to it")
	// ErrNotReadable: the request asks what only a token that may read the feed as
	// well learns. It is the server's to return, of a feed that the token may append to.
	ErrNotReadable = errors.New("the token may append to this feed, but not read it")
)

// Tokens are the tokens of a file. A nil *Tokens is none: everyone may do all.
type Tokens struct {
	file followed[table]
}

// table finds a grant by its token's SHA-256. A hash that is slow on purpose is
// for passwords, which can be guessed; a token of 256 random bits cannot be,
// and each request is worth one fast hash at most. Nor does the time that the
// map takes tell anything: nobody can choose a token by its hash.
type table map[[sha256.Size]byte]Grant

// LoadTokens reads the file of tokens. See docs/network.md for its format.
// A nil logger discards.
func LoadTokens(path string, logger *slog.Logger) (*Tokens, error) {
	t := &Tokens{followed[table]{
		files:  []string{path},
		parse:  func(contents [][]byte) (table, error) { return parseTokens(path, bom.Trim(contents[0])) },
		logger: logger,
	}}
	if err := t.file.load(); err != nil {
		return nil, err
	}
	warnOfReaders(path, t.file.logger)
	if len(t.file.current.Load().value) == 0 {
		t.file.logger.Warn("the token file holds no tokens, so nobody may read any feed", "file", path)
	}
	return t, nil
}

// Run follows the file as it changes, until ctx is done.
func (t *Tokens) Run(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.file.run(ctx, func() {})
}

// Changed returns a channel that is closed when the file has changed. Whoever
// answers for long asks for the Grant again then. Take the channel first.
func (t *Tokens) Changed() <-chan struct{} {
	if t == nil {
		return nil
	}
	return t.file.current.Load().replaced
}

// Grant returns what a request may do: by its bearer token (RFC 6750 section
// 2.1), or by the same token as the password of HTTP Basic (RFC 7617) under any
// name, which browsers and feed readers know how to ask for. A token in the URL
// is not looked at (RFC 6750 section 5.3): URLs are written to logs. The error
// is ErrNoToken or ErrUnknownToken.
func (t *Tokens) Grant(r *http.Request) (Grant, error) {
	if t == nil {
		return Everyone(), nil
	}
	token, err := tokenOf(r)
	if err != nil {
		return Grant{}, err
	}
	grant, ok := t.file.current.Load().value[sha256.Sum256([]byte(token))]
	if !ok || token == "" { // whose hash may be there by mistake
		return Grant{}, ErrUnknownToken
	}
	return grant, nil
}

func tokenOf(r *http.Request) (string, error) {
	fields := r.Header.Values("Authorization")
	switch len(fields) {
	case 0:
		return "", ErrNoToken
	case 1:
	default: // a proxy and this server could take different ones
		return "", ErrUnknownToken
	}
	if _, password, ok := r.BasicAuth(); ok {
		return password, nil
	}
	scheme, token, _ := strings.Cut(fields[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", ErrNoToken
	}
	return strings.Trim(token, " "), nil
}

// Challenge adds to the header of an answer how to ask again (RFC 9110 section
// 11.6.1, RFC 6750 section 3): to a 401 for ErrNoToken and ErrUnknownToken, to
// a 403 for ErrNotGranted and ErrNotReadable.
func Challenge(header http.Header, err error) {
	const realm = `realm="eventfeed"`
	switch {
	case errors.Is(err, ErrUnknownToken):
		header.Add("WWW-Authenticate", "Bearer "+realm+`, error="invalid_token"`)
	case errors.Is(err, ErrNotGranted), errors.Is(err, ErrNotReadable):
		header.Add("WWW-Authenticate", "Bearer "+realm+`, error="insufficient_scope"`)
		return // a browser would ask for another password
	default:
		header.Add("WWW-Authenticate", "Bearer "+realm)
	}
	header.Add("WWW-Authenticate", "Basic "+realm+`, charset="UTF-8"`)
}
