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

// representation is what an answer carries (RFC 9110, section 3.2): a document in one
// form and one coding.
type representation struct {
	mediaType string
	coding    string
	tag       string // ETag, with its quotes
	content   []byte
	modified  time.Time // Last-Modified, which no other version has; zero means that there is none
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

// fit returns content without the room behind it that it was written with, if that is
// much: it is kept.
func fit(content []byte) []byte {
	if cap(content) > len(content)+len(content)/8+1000 {
		return bytes.Clone(content)
	}
	return content
}

// newRepresentation returns content in a coding, with an ETag that is made of it.
func newRepresentation(form *form, coding string, content []byte) *representation {
	return &representation{mediaType: form.mediaType, coding: coding, tag: strongTag(hashOf(content), coding), content: encode(content, coding)}
}

// size is about how many bytes of memory the representation takes.
func (e *representation) size() int64 {
	const overhead = 500
	return int64(len(e.content)) + overhead
}

// hashOf is what an ETag is made of.
func hashOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:12])
}

// strongTag is an ETag: each coding has one of its own, RFC 9110 section
// 8.8.3.3.
func strongTag(hash, coding string) string {
	if coding == identityCoding {
		return `"` + hash + `"`
	}
	return `"` + hash + "-" + coding + `"`
}

// lifetime says what caches may do with an answer.
type lifetime struct {
	seconds   int
	immutable bool // RFC 8246
}

// Lifetimes of what the server answers.
var (
	subscriptionLifetime = lifetime{seconds: 1}
	newestLifetime       = lifetime{seconds: 5} // until the next page is sealed
	finalLifetime        = lifetime{seconds: 31536000, immutable: true}
	pageLifetime         = lifetime{seconds: 60} // what is made anew with each release: HTML, single events
)

func (l lifetime) cacheControl(scope string) string {
	text := fmt.Sprintf("%s, max-age=%d", scope, l.seconds)
	if l.immutable {
		text += ", immutable"
	}
	return text
}

// setType says what an answer is, and that it is nothing else: an event's data
// must not become a page of its own, nor do anything in one of ours.
func setType(header http.Header, mediaType string) {
	if mediaType == html.ContentType {
		html.SetHeaders(header.Set)
	}
	header.Set("Content-Type", mediaType)
	header.Set("X-Content-Type-Options", "nosniff")
}

// describe sets the header fields that an answer and the 304 in its place have
// in common, RFC 9110 section 15.4.5.
func (e *representation) describe(header http.Header) {
	header.Set("ETag", e.tag)
	setType(header, e.mediaType)
	if e.coding != identityCoding {
		header.Set("Content-Encoding", e.coding)
		// ServeContent leaves the length out where a coding is set.
		header.Set("Content-Length", strconv.Itoa(len(e.content)))
	}
}

// serve answers with a representation. It leaves HEAD, and conditions that are met with
// a 304, to the standard library. Nothing has been sent if it returns an error.
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

// send writes a body from a goroutine of its own. To write a header net/http
// takes 3 kB of stack: too much for a goroutine that is this far down, which
// would double its stack and keep it while its client waits for the next answer.
// With ten thousand clients that is 80 MB.
func send(w http.ResponseWriter, content []byte) {
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = w.Write(content) // who has gone needs no answer
	}()
	<-sent
}

// body notes whether a body is to be sent, which its owner does then, in one
// piece: ServeContent would copy it by a buffer.
type body struct {
	http.ResponseWriter
	server  *server
	request *http.Request
	wanted  bool
	content []byte // to send
	release func()
	err     error // why it is not sent; then the header was not, either
}

// WriteHeader says, as ServeContent does not, that no part of a representation is
// available: a page is small, half of one is of no use. It sends nothing if the
// body may not be sent.
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

// ReadFrom is what ServeContent copies all of the content by: there are no
// ranges.
func (b *body) ReadFrom(io.Reader) (int64, error) {
	b.wanted = true
	return int64(len(b.content)), nil
}

// Unwrap is for http.ResponseController.
func (b *body) Unwrap() http.ResponseWriter { return b.ResponseWriter }

// lastModified is the representation's Last-Modified, or zero while that is not in the
// past: it must not be later than Date, RFC 9110 section 8.8.2.1, and a second
// earlier it is a strong validator, section 8.8.2.2.
func (e *representation) lastModified() time.Time {
	if time.Now().Unix() <= e.modified.Unix() {
		return time.Time{}
	}
	return e.modified
}
