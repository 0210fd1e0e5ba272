package httplimit

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Bounds of what is kept of a request, in bytes, while it is being answered.
const (
	mostURL    = 8 << 10
	mostHost   = 1 << 10
	mostKept   = 8 << 10 // of the header of a request that reads
	mostFields = 256     // field lines of any request
)

// KeepFields bounds what a request keeps in memory while it is being answered,
// which may take as long as its client likes. A GET or HEAD keeps the header fields
// that handlers read, by their canonical names, and is refused if these are too
// long; nil stands for all fields. Other requests keep theirs, up to a number.
//
// It changes the request that it gets: net/http holds the same one, with a header
// of the client's size, until the handler returns. So it must be the outermost
// handler.
func KeepFields(next http.Handler, fields []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status, why := tooLong(r); status != 0 {
			refuseLong(w, status, why)
			return
		}
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			kept, size := keep(r.Header, fields)
			if size > mostKept {
				refuseLong(w, http.StatusRequestHeaderFieldsTooLarge, fmt.Sprintf("the header fields have more than %d bytes; send shorter ones", mostKept))
				return
			}
			r.Header = kept
		}
		next.ServeHTTP(w, r)
	})
}

func tooLong(r *http.Request) (status int, why string) {
	lines := 0
	for _, values := range r.Header {
		lines += len(values)
	}
	switch {
	case len(r.RequestURI) > mostURL:
		return http.StatusRequestURITooLong, fmt.Sprintf("the URL has more than %d bytes", mostURL)
	case len(r.Host) > mostHost:
		return http.StatusBadRequest, fmt.Sprintf("the host has more than %d bytes", mostHost)
	case lines > mostFields:
		return http.StatusRequestHeaderFieldsTooLarge, fmt.Sprintf("the header has more than %d fields", mostFields)
	default:
		return 0, ""
	}
}

// keep copies the fields to keep, so that nothing else of the header stays in
// memory, and returns their size.
func keep(header http.Header, fields []string) (kept http.Header, size int) {
	kept = make(http.Header)
	for name, values := range header {
		if fields != nil && !slices.Contains(fields, name) {
			continue
		}
		copies := make([]string, len(values))
		for i, value := range values {
			copies[i] = strings.Clone(value)
			size += len(name) + len(value)
		}
		kept[strings.Clone(name)] = copies
	}
	return kept, size
}

func refuseLong(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Connection", "close")
	http.Error(w, why, status)
}
