package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/eventfeed/eventfeed/internal/compress"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// body is a document as it is kept: compressed, with what its ETags are made
// of.
type body struct {
	zstd []byte
	tag  string
}

func newBody(zstd []byte) body {
	return body{zstd: zstd, tag: tagOf(zstd)}
}

func tagOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:16])
}

// serve answers with the document in the best coding that the client takes,
// each under an ETag of its own, or with 304.
func (b body) serve(w http.ResponseWriter, r *http.Request, cacheControl string) error {
	header := w.Header()
	header.Set("Cache-Control", cacheControl)
	header.Set("Content-Type", feed.ContentType)
	header.Set("Vary", "Accept-Encoding")
	if acceptsZstd(r.Header.Values("Accept-Encoding")) {
		header.Set("ETag", `"`+b.tag+`-zstd"`)
		header.Set("Content-Encoding", "zstd")
		// ServeContent leaves the length out where a coding is set.
		header.Set("Content-Length", strconv.Itoa(len(b.zstd)))
		serve(w, r, b.zstd)
		return nil
	}
	header.Set("ETag", `"`+b.tag+`"`)
	text, err := compress.Unzstd(b.zstd)
	if err != nil {
		return err
	}
	serve(w, r, text)
	return nil
}

// serve leaves conditions and HEAD to the standard library.
func serve(w http.ResponseWriter, r *http.Request, content []byte) {
	// A page is small; half of one is of no use.
	r.Header.Del("Range")
	w.Header().Set("Accept-Ranges", "none")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// acceptsZstd follows RFC 9110 section 12.5.3 for the one coding that we have.
func acceptsZstd(accept []string) bool {
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		coding, parameters, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(coding), "zstd") {
			continue
		}
		_, weight, found := strings.Cut(strings.ReplaceAll(parameters, " ", ""), "q=")
		q, err := strconv.ParseFloat(weight, 64)
		return !found || err == nil && q > 0
	}
	return false
}
