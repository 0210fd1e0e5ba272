package feed_test

import (
	"net/url"
	"testing"

	"github.com/eventfeed/eventfeed/internal/feed"
)

func TestAnEntityHasOnePathThatGivesItsSubjectBack(t *testing.T) {
	t.Parallel()
	for subject, want := range map[string]string{
		"o-1":           "/feeds/orders/entities/o-1",
		"O_1.a~b":       "/feeds/orders/entities/O_1.a~b",
		"archive":       "/feeds/orders/entities/archive",
		".":             "/feeds/orders/entities/?subject=.",
		"..":            "/feeds/orders/entities/?subject=..",
		"~x":            "/feeds/orders/entities/?subject=~x",
		"orders/o-1":    "/feeds/orders/entities/?subject=orders%2Fo-1",
		"a b":           "/feeds/orders/entities/?subject=a+b",
		"a+b&subject=c": "/feeds/orders/entities/?subject=a%2Bb%26subject%3Dc",
		"50%":           "/feeds/orders/entities/?subject=50%25",
		"Größe":         "/feeds/orders/entities/?subject=Gr%C3%B6%C3%9Fe",
	} {
		path := feed.EntityPath("orders", subject)
		if path != want {
			t.Errorf("EntityPath(%q) = %q, want %q", subject, path, want)
		}
		u, err := url.Parse(path)
		if err != nil {
			t.Errorf("EntityPath(%q): %v", subject, err)
			continue
		}
		if back := u.Query().Get("subject"); u.RawQuery != "" && back != subject {
			t.Errorf("EntityPath(%q) names the subject %q", subject, back)
		}
	}
}
