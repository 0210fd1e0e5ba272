package foreign

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// general are the names of files and folders that many feeds have.
var general = []string{"", "feed", "feeds", "atom", "rss", "rss2", "rdf", "index", "xml", "default", "all", "entries", "posts"}

// nameOf makes a feed's name of its URL: the last part of the path that says
// something, without an extension; or the host. A title would be nicer, and
// changes.
func nameOf(u *url.URL) string {
	parts := strings.Split(u.Path, "/")
	for _, part := range slices.Backward(parts) {
		name := slug(strings.TrimSuffix(part, path.Ext(part)))
		if !slices.Contains(general, name) {
			return name
		}
	}
	if name := slug(u.Hostname()); name != "" {
		return name
	}
	return "feed"
}

// slug makes a text fit for a feed's name, see [feed.ValidName].
func slug(text string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-':
			return r
		default:
			return '-'
		}
	}, strings.ToLower(text))
	name = strings.Trim(name, "-._")
	name = strings.TrimRight(name[:min(len(name), 63)], "-._")
	if !feed.ValidName(name) {
		return ""
	}
	return name
}

// fit returns a text that an event can hold as one of its attributes: the text
// itself, or a UUIDv5 of it in place of one that is too long, in bytes, or not
// allowed there.
func fit(text string, limit int) string {
	if len(text) <= limit && isAttribute(text) {
		return text
	}
	return "urn:uuid:" + uuid.NewSHA1(uuid.NameSpaceURL, []byte(text)).String()
}

// asURI returns what a feed is known by as the source of its events, which is a URI
// reference: characters that none has are percent-encoded, as RFC 3987 has it.
func asURI(id string) string {
	var b strings.Builder
	for i := range len(id) {
		if c := id[i]; c > ' ' && c < 0x7f && !strings.ContainsRune("\"<>\\^`{|}", rune(c)) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	if uri := b.String(); cloudevents.IsURIReference(uri) && len(uri) <= event.MaxAttribute {
		return uri
	}
	return "urn:uuid:" + uuid.NewSHA1(uuid.NameSpaceURL, []byte(id)).String()
}

// orElse returns a text, or another one in place of an empty one.
func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// isAttribute reports whether CloudEvents allows a text as an attribute.
func isAttribute(text string) bool {
	if len(text) > event.MaxAttribute || !utf8.ValidString(text) {
		return false
	}
	_, err := cloudevents.Normal(event.Event{ID: "x", Type: "x", Subject: text})
	return err == nil
}
