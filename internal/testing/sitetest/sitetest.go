// Package sitetest has the tests that every store of a site passes.
package sitetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/eventfeed/eventfeed/internal/site"
	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// Run runs the tests. open returns a store of the same site at each call of one test, with nothing in it
// at first.
func Run(t *testing.T, open func(t *testing.T) func() site.Store) {
	t.Helper()
	for name, test := range map[string]func(t *testing.T, open func() site.Store){
		"AnObjectIsReadAsItWasWritten":                   asWritten,
		"AnObjectThatIsThereIsNotWrittenAgain":           ifAbsent,
		"AnObjectIsReplacedOnlyIfItIsTheExpectedOne":     ifMatch,
		"OthersAreWrittenBesideOneThatIsRefused":         beside,
		"ADeletedObjectIsAbsent":                         deleted,
		"OneOfManyWritersWinsAndWhatIsReadIsWhole":       writers,
		"APutThatIsCanceledLeavesTheObjectWholeOrAbsent": canceled,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

const key = "feeds/orders/archive/0a91e1dd-7b9c-4b3e-9f5b-1f3f0c2f4f11/7"

func put(t *testing.T, s site.Store, objects ...site.Object) (refused []int) {
	t.Helper()
	refused, err := s.Put(t.Context(), objects)
	must.OK(t, err)
	return refused
}

func get(t *testing.T, s site.Store, key string) site.Stored {
	t.Helper()
	stored, err := s.Get(t.Context(), key)
	must.OK(t, err)
	return stored
}

func asWritten(t *testing.T, open func() site.Store) {
	s := open()
	if _, err := s.Get(t.Context(), key); !errors.Is(err, site.ErrAbsent) {
		t.Fatalf("before: %v", err)
	}
	large := bytes.Repeat([]byte("<entry/>\n"), 400_000)
	objects := []site.Object{
		{Key: key, Kind: site.Newest, Body: []byte("<feed/>\n")},
		{Key: strings.TrimSuffix(key, "7") + "6", Kind: site.Final, Body: large},
		{Key: "feeds/orders.atom", Kind: site.Subscription, Body: []byte("<feed>ö</feed>")},
		{Key: "feeds.xml", Kind: site.Service, Body: []byte("<service/>")},
		{Key: "feeds/orders/lost/0a91e1dd-7b9c-4b3e-9f5b-1f3f0c2f4f11/8", Kind: site.Kept, Body: []byte("lost")},
	}
	if refused := put(t, s, objects...); len(refused) > 0 {
		t.Fatalf("refused %v", refused)
	}
	for _, s := range []site.Store{s, open()} {
		for _, o := range objects {
			if got := get(t, s, o.Key); !bytes.Equal(got.Body, o.Body) || got.Tag == "" {
				t.Errorf("%s: %d bytes, tag %q", o.Key, len(got.Body), got.Tag)
			}
		}
	}
}

func ifAbsent(t *testing.T, open func() site.Store) {
	s := open()
	put(t, s, site.Object{Key: key, Kind: site.Final, Body: []byte("one")})
	for _, body := range []string{"one", "two"} {
		if refused := put(t, open(), site.Object{Key: key, Kind: site.Final, Body: []byte(body)}); !slices.Equal(refused, []int{0}) {
			t.Errorf("%s: refused %v", body, refused)
		}
	}
	if got := get(t, s, key); string(got.Body) != "one" {
		t.Errorf("%q", got.Body)
	}
}

func ifMatch(t *testing.T, open func() site.Store) {
	s := open()
	put(t, s, site.Object{Key: key, Kind: site.Newest, Body: []byte("newest")})
	newest := get(t, s, key)
	if refused := put(t, s, site.Object{Key: key, Kind: site.Final, Body: []byte("final"), Replaces: newest.Tag}); len(refused) > 0 {
		t.Fatal("the expected object was not replaced")
	}
	if refused := put(t, s, site.Object{Key: key, Kind: site.Newest, Body: []byte("other"), Replaces: newest.Tag}); len(refused) != 1 {
		t.Error("another object was replaced")
	}
	if refused := put(t, s, site.Object{Key: key + "0", Kind: site.Newest, Body: []byte("other"), Replaces: newest.Tag}); len(refused) != 1 {
		t.Error("an object that is absent was replaced")
	}
	if got := get(t, s, key); string(got.Body) != "final" || got.Tag == newest.Tag {
		t.Errorf("%q, tag %s after %s", got.Body, got.Tag, newest.Tag)
	}
}

func beside(t *testing.T, open func() site.Store) {
	s := open()
	var all []site.Object
	for n := range 40 {
		all = append(all, site.Object{Key: fmt.Sprint(key, n), Kind: site.Final, Body: fmt.Append(nil, "page ", n)})
	}
	put(t, s, all[3], all[17], all[39])
	if refused := put(t, s, all...); !slices.Equal(refused, []int{3, 17, 39}) {
		t.Errorf("refused %v", refused)
	}
	for _, o := range all {
		if got := get(t, s, o.Key); !bytes.Equal(got.Body, o.Body) {
			t.Errorf("%s: %q", o.Key, got.Body)
		}
	}
}

func deleted(t *testing.T, open func() site.Store) {
	s := open()
	must.OK(t, s.Delete(t.Context(), key))
	put(t, s, site.Object{Key: key, Kind: site.Final, Body: []byte("one")})
	must.OK(t, s.Delete(t.Context(), key))
	if _, err := s.Get(t.Context(), key); !errors.Is(err, site.ErrAbsent) {
		t.Error(err)
	}
	if refused := put(t, s, site.Object{Key: key, Kind: site.Newest, Body: []byte("two")}); len(refused) > 0 {
		t.Error("not written after it was deleted")
	}
}

func writers(t *testing.T, open func() site.Store) {
	const n = 8
	body := func(i int) []byte { return bytes.Repeat([]byte{byte('a' + i)}, 300_000) }
	var mu sync.Mutex
	var won []int
	var all sync.WaitGroup
	for i := range n {
		s := open()
		all.Go(func() {
			refused, err := s.Put(t.Context(), []site.Object{{Key: key, Kind: site.Final, Body: body(i)}})
			if err != nil {
				t.Errorf("writer %d: %v", i, err)
			} else if len(refused) == 0 {
				mu.Lock()
				defer mu.Unlock()
				won = append(won, i)
			}
		})
	}
	all.Wait()
	if len(won) != 1 {
		t.Fatalf("%v have written", won)
	}
	if got := get(t, open(), key); !bytes.Equal(got.Body, body(won[0])) {
		t.Errorf("%d bytes that are not those of writer %d", len(got.Body), won[0])
	}
}

func canceled(t *testing.T, open func() site.Store) {
	s := open()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	body := bytes.Repeat([]byte("x"), 300_000)
	if _, err := s.Put(ctx, []site.Object{{Key: key, Kind: site.Final, Body: body}}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	got, err := s.Get(t.Context(), key)
	if !errors.Is(err, site.ErrAbsent) && !bytes.Equal(got.Body, body) {
		t.Errorf("%d bytes: %v", len(got.Body), err)
	}
}
