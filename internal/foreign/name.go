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

// general are names of files and folders that many feeds have, so that they name no feed.
var general = []string{"", "feed", "feeds", "atom", "rss", "rss2", "rdf", "index", "xml", "default", "all", "entries", "posts"}

// nameOf returns a feed's name from its URL: the last meaningful part of the path, without
// extension; otherwise the host. It does not use the title, which may change.
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

// slug converts a text into a valid feed name, see [feed.ValidName].
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
	for _, suffix := range []string{".gz", feed.SiteSuffix} { // no name ends in them
		name = strings.TrimSuffix(name, suffix)
	}
	name = strings.TrimRight(name[:min(len(name), 63)], "-._")
	if !feed.ValidName(name) {
		return ""
	}
	return name
}

// fit returns a text for an attribute of an event: the text itself, or a UUIDv5 of it if the text
// has more than limit bytes or is not allowed.
func fit(text string, limit int) string {
	if len(text) <= limit && isAttribute(text) {
		return text
	}
	return "urn:uuid:" + uuid.NewSHA1(uuid.NameSpaceURL, []byte(text)).String()
}

// asURI returns a feed's id as the source of its events, which is a URI reference: it
// percent-encodes characters that a URI cannot contain, as in RFC 3987.
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

// orElse returns a text, or another one if it is empty.
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
