package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/eventfeed/eventfeed/internal/compress"
	"github.com/eventfeed/eventfeed/internal/html"
)

// representation is a document in one form and one coding (RFC 9110, section 3.2).
type representation struct {
	mediaType string
	coding    string
	tag       string // ETag, with its quotes
	content   []byte
	modified  time.Time // Last-Modified, unique to this version; zero means that there is none
}

// encode returns content in a coding.
func encode(content []byte, coding string) []byte {
	switch coding {
	case zstdCoding:
		content = compress.Zstd(content)
	case gzipCoding:
		content = compress.Gzip(content)
	}
	return fit(content)
}

// fit returns content without its unused capacity, if that is large, because content stays in memory.
func fit(content []byte) []byte {
	if cap(content) > len(content)+len(content)/8+1000 {
		return bytes.Clone(content)
	}
	return content
}

// newRepresentation returns content in a coding, with an ETag from its hash.
func newRepresentation(form *form, coding string, content []byte) *representation {
	return &representation{mediaType: form.mediaType, coding: coding, tag: strongTag(hashOf(content), coding), content: encode(content, coding)}
}

// size returns about how much memory the representation takes, in bytes.
func (e *representation) size() int64 {
	const overhead = 500
	return int64(len(e.content)) + overhead
}

// hashOf returns the hash of content for an ETag.
func hashOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:12])
}

// strongTag returns an ETag. Each coding has its own, RFC 9110 section 8.8.3.3.
func strongTag(hash, coding string) string {
	if coding == identityCoding {
		return `"` + hash + `"`
	}
	return `"` + hash + "-" + coding + `"`
}

// lifetime is how long caches may use an answer.
type lifetime struct {
	seconds   int
	immutable bool // RFC 8246
}

// The lifetimes of answers.
var (
	subscriptionLifetime = lifetime{seconds: 1}
	newestLifetime       = lifetime{seconds: 5} // until the next page is sealed
	finalLifetime        = lifetime{seconds: 31536000, immutable: true}
	pageLifetime         = lifetime{seconds: 60} // documents that may change with a release: single events, JSON Feed
)

func (l lifetime) cacheControl(scope string) string {
	text := fmt.Sprintf("%s, max-age=%d", scope, l.seconds)
	if l.immutable {
		text += ", immutable"
	}
	return text
}

// setType sets the media type of an answer, and forbids browsers to guess another one: an event's
// data must not become a page, nor run in one of the server's pages.
func setType(header http.Header, mediaType string) {
	if mediaType == html.ContentType {
		html.SetHeaders(header.Set)
	}
	header.Set("Content-Type", mediaType)
	header.Set("X-Content-Type-Options", "nosniff")
}

// describe sets the header fields that an answer has in common with a 304, RFC 9110 section 15.4.5.
func (e *representation) describe(header http.Header) {
	header.Set("ETag", e.tag)
	setType(header, e.mediaType)
	if e.coding != identityCoding {
		header.Set("Content-Encoding", e.coding)
		// ServeContent omits the length if a coding is set.
		header.Set("Content-Length", strconv.Itoa(len(e.content)))
	}
}

// serve answers with a representation. The standard library handles HEAD and 304. If serve returns
// an error, nothing has been sent.
func (s *server) serve(w http.ResponseWriter, r *http.Request, e *representation) error {
	if e.hasChanged(r.Header) {
		return errChanged()
	}
	e.clean(r.Header)
	e.describe(w.Header())
	r.Header.Del("Range")
	body := &body{ResponseWriter: w, server: s, request: r, content: e.content, release: func() {}}
	http.ServeContent(body, r, "", e.lastModified(), bytes.NewReader(e.content))
	defer func() { body.release() }()
	if body.wanted && body.err == nil {
		send(w, body.content)
	}
	return body.err
}

// send writes a body from its own goroutine. net/http needs 3 kB of stack to write a header. At
// this call depth the stack would double, and stay so while the client waits for the next answer;
// with ten thousand clients that is 80 MB.
func send(w http.ResponseWriter, content []byte) {
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = w.Write(content) // a client that has disconnected needs no answer
	}()
	<-sent
}

// body records whether ServeContent wants to send a body. serve then sends it in one piece;
// ServeContent would copy it through a buffer.
type body struct {
	http.ResponseWriter
	server  *server
	request *http.Request
	wanted  bool
	content []byte // the content to send
	release func()
	err     error // why the body is not sent; then the header was not sent either
}

// WriteHeader replaces the header of ServeContent by one that offers no ranges: a page is small,
// and a part of it is of no use. It sends nothing if the body may not be sent.
func (b *body) WriteHeader(status int) {
	if status == http.StatusOK && b.request.Method == http.MethodGet {
		content, release, err := b.server.hold(b.request, b.content)
		if err != nil {
			b.err = err
			return
		}
		b.content, b.release = content, release
	}
	b.Header().Set("Accept-Ranges", "none")
	b.ResponseWriter.WriteHeader(status)
}

// ReadFrom is called by ServeContent to copy the content, which is complete because there are no ranges.
func (b *body) ReadFrom(io.Reader) (int64, error) {
	b.wanted = true
	return int64(len(b.content)), nil
}

// Unwrap returns the wrapped writer, for http.ResponseController.
func (b *body) Unwrap() http.ResponseWriter { return b.ResponseWriter }

// lastModified returns the representation's Last-Modified; zero while that is not in the past. It
// must not be later than Date, RFC 9110 section 8.8.2.1, and if it is a second earlier it is a
// strong validator, section 8.8.2.2.
func (e *representation) lastModified() time.Time {
	if time.Now().Unix() <= e.modified.Unix() {
		return time.Time{}
	}
	return e.modified
}
