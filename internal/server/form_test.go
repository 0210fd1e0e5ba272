package server_test

import (
	"strings"
	"testing"
)

func TestAlternatesRepeatNoMoreOfAQueryThanNamesTheEvent(t *testing.T) {
	_, s := serve(t)
	whole, _ := do(t, "GET", s.URL+"/feeds/f?format=rss&x="+strings.Repeat("a", 5000))
	if links := strings.Join(whole.Header.Values("Link"), " "); len(links) > 500 || !strings.Contains(links, `<?format=json>; rel="alternate"`) {
		t.Errorf("links of %d bytes: %.200s", len(links), links)
	}
	event, _ := do(t, "GET", s.URL+"/feeds/f/events/?id=7&source=%2Ftest&x=y")
	if links := strings.Join(event.Header.Values("Link"), " "); !strings.Contains(links, "<?format=cloudevents&id=7&source=%2Ftest>") {
		t.Errorf("links of an event: %s", links)
	}
}
