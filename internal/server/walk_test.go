package server_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// Clients that know JSON alone find the way back to the first event: by Link in
// CloudEvents, by next_url in JSON Feed.
func TestJSONClientsFindTheWholeHistory(t *testing.T) {
	l, s := serve(t)
	f, err := l.Feed(t.Context(), "f")
	must.OK(t, err)
	for form, read := range map[string]func(url string) (positions []int64, next string){
		"cloudevents": func(at string) (positions []int64, next string) {
			response, body := do(t, "GET", at)
			var batch []struct {
				Position int64 `json:"efposition,string"`
			}
			must.OK(t, json.Unmarshal(body, &batch))
			for _, e := range batch {
				positions = append(positions, e.Position)
			}
			targets, rels, _ := links(t, response)
			for i, rel := range rels {
				if rel == "prev-archive" {
					next = targets[i].String()
				}
			}
			return positions, next
		},
		"json": func(at string) (positions []int64, next string) {
			_, body := do(t, "GET", at)
			var document struct {
				NextURL string `json:"next_url"`
				Items   []struct {
					Extension struct {
						Position int64 `json:"position"`
					} `json:"_eventfeed"`
				} `json:"items"`
			}
			must.OK(t, json.Unmarshal(body, &document))
			for i, item := range document.Items {
				positions = append(positions, item.Extension.Position)
				if i > 0 && positions[i] >= positions[i-1] {
					t.Errorf("%s: %d after %d, want the newest first", at, positions[i], positions[i-1])
				}
			}
			return positions, document.NextURL
		},
	} {
		t.Run(form, func(t *testing.T) {
			found, pages := make(map[int64]bool), int64(0)
			for next := s.URL + "/feeds/f?format=" + form; next != ""; pages++ {
				var positions []int64
				positions, next = read(next)
				for _, position := range positions {
					found[position] = true
				}
				if pages > f.Archives {
					t.Fatalf("%s: more pages than there are", next)
				}
			}
			if pages != f.Archives+1 || !holdsAll(found, &f) {
				t.Errorf("%d pages of %d archives, positions %s of 1 to %d", pages, f.Archives, fmt.Sprint(found), f.Position)
			}
		})
	}
}

func holdsAll(found map[int64]bool, f *store.Feed) bool {
	for position := int64(1); position <= f.Position; position++ {
		if !found[position] {
			return false
		}
	}
	return len(found) == int(f.Position) && f.Position > 0
}
