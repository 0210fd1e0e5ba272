package html

import (
	"fmt"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/event"
)

func TestChangesShowOldAndNewValues(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100)
	for name, test := range map[string]struct{ before, after, want string }{
		"changed":            {`{"street":"High Street 7","items":2,"same":1}`, `{"same":1, "street":"Mill Lane 3","items":3}`, "items: 2 → 3; street: High Street 7 → Mill Lane 3"},
		"added, removed":     {`{"a":1,"gone":"x"}`, `{"a":1,"new":null}`, "+new: null; -gone: x"},
		"string and number":  {`{"n":"3"}`, `{"n":3}`, `n: "3" → 3`},
		"cannot be seen":     {`{"n":"a"}`, "{\"n\":\"a\u202e\"}", `n: "a" → "a\u202e"`},
		"empty":              {`{"n":"a"}`, `{"n":""}`, `n: a → ""`},
		"clipped":            {`{"n":"a` + long + `"}`, `{"n":"b` + long + `"}`, "n: a" + long[:59] + "… → b" + long[:59] + "…"},
		"differ at the end":  {`{"n":"` + long + `a"}`, `{"n":"` + long + `b"}`, "n: …" + long[:20] + "a → …" + long[:20] + "b"},
		"six":                {`{"a":1}`, `{"a":2,"b":1,"c":1,"d":1,"e":1,"f":1}`, "a: 1 → 2; +b: 1; +c: 1; +d: 1; +e: 1; and 1 more"},
		"nothing in common":  {`{"a":1}`, `{"b":1}`, ""},
		"no object":          {`[1]`, `{"b":1}`, ""},
		"equal but for room": {`{"a": [1, 2]}`, `{"a":[1,2]}`, ""},
	} {
		version := func(data string) *EntityVersion {
			return &EntityVersion{Placed: event.Placed{Event: event.Event{DataContentType: "application/json", Data: []byte(data)}}, DataSize: int64(len(data))}
		}
		var all []string
		c := changesOf(version(test.before), version(test.after))
		for _, m := range c.Shown {
			switch {
			case m.IsAdded:
				all = append(all, "+"+m.Name+": "+m.To)
			case m.IsRemoved:
				all = append(all, "-"+m.Name+": "+m.From)
			default:
				all = append(all, m.Name+": "+m.From+" → "+m.To)
			}
		}
		if c.More > 0 {
			all = append(all, fmt.Sprintf("and %d more", c.More))
		}
		if got := strings.Join(all, "; "); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
	if cut := (&EntityVersion{DataSize: EntityCut + 1, Placed: event.Placed{Event: event.Event{Data: []byte(`{"a":"` + strings.Repeat("x", EntityCut) + `"}`)}}}).members(); cut != nil {
		t.Errorf("long data is compared: %d members", len(cut))
	}
}
