package fetch_test

import (
	"net/http"
	"testing"

	"github.com/eventfeed/eventfeed/internal/fetch"
)

func TestLinkIsFoundByItsRelationAndMediaType(t *testing.T) {
	t.Parallel()
	const want = `<orders/types>; rel="describedby"; type="application/json"`
	for _, test := range []struct {
		fields []string
		want   string
	}{
		{nil, ""},
		{[]string{want}, "orders/types"},
		{[]string{`<?format=html>; rel="alternate"; type="text/html; charset=utf-8", ` + want}, "orders/types"},
		{[]string{`<?format=html>; rel="alternate"`, want}, "orders/types"},
		{[]string{`<a,b>; title="x, <y>; \" rel=describedby"; rel=next,` + want}, "orders/types"},
		{[]string{`<x>; rel=describedby; type=text/html, <y>;rel="next DescribedBy"; TYPE="Application/JSON"`}, "y"},
		{[]string{`<x>; rel=describedby`, `<y>; type=application/json`}, ""},
		{[]string{`x; rel=describedby; type=application/json, ` + want}, ""},
		{[]string{`<x; rel=describedby`, want}, "orders/types"},
		{[]string{`<x>; title="no end`, `<x>; title="\`, `,, ,`, `<>`, want}, "orders/types"},
	} {
		if got := fetch.LinkTo(http.Header{"Link": test.fields}, "describedby", "application/json"); got != test.want {
			t.Errorf("%q: %q, want %q", test.fields, got, test.want)
		}
	}
}
