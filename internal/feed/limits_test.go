package feed_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// TestDocumentsThatCostMoreThanTheySayAreRefused: nothing of ours is nested like
// that, and what parses the rest recurses.
func TestDocumentsThatCostMoreThanTheySayAreRefused(t *testing.T) {
	t.Parallel()
	declared := ""
	for i := range 99 {
		declared += fmt.Sprintf(` xmlns:p%d="u"`, i)
	}
	const root = `<feed xmlns="http://www.w3.org/2005/Atom" xmlns:ef="` + feed.Namespace + `">`
	for want, body := range map[string]string{
		"more than 100 elements inside one another": root + strings.Repeat("<a>", 1_000_000),
		"element a has more than 100 attributes":    root + "<a" + declared + ` a="" b=""/></feed>`,
		"declares more than 100 namespaces":         root + strings.Repeat("<a"+declared+">", 50),
		"has a DOCTYPE":                             `<!DOCTYPE feed [<!ENTITY a "b">]>` + root + "&a;</feed>",
	} {
		if _, err := feed.Decode([]byte(body)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
