package projection_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/projection"
	"github.com/eventfeed/eventfeed/internal/testing/must"
)

var update = flag.Bool("update", false, "write the golden files anew")

func sampled(events ...event.Delivered) *projection.Sample {
	s := &projection.Sample{Feed: "orders", URL: "https://shop.example/feeds/orders", Last: 100}
	for _, e := range events {
		s.Add(&e.Event)
	}
	return s
}

// What a producer writes must not become SQL.
var malicious = []event.Delivered{
	at(1, "OrderCreated", "o1", `{"total":1.5,"customer":{"name":"A","on":true},"tags":["a"],"note":null,"it's":"x"}`),
	at(2, "OrderCreated", "o2", `{"total":2,"customer":{"name":"A"},"note":"x"}`),
	at(3, "x\n; DROP TABLE a; --", "o2", "{\"a\\n; DROP TABLE a; --\":1}"),
	at(4, `on "this" page`, "o2", `[1]`),
	at(5, "https://shop.example/Created", "o3", `7`),
	at(6, "live", "", `by ship`),
	at(7, "com.example.created", "o3", ``),
	at(8, "OrderCreated", "o1", `{"total":3,"customer":{"name":"B"}}`),
}

func TestASkeletonRunsOnBothDatabases(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	must.OK(t, projection.Skeleton(&text, sampled(malicious...)))
	const golden = "testdata/skeleton.sql"
	if *update {
		must.OK(t, os.WriteFile(golden, text.Bytes(), 0o600))
	}
	want, err := os.ReadFile(golden)
	must.OK(t, err)
	if !bytes.Equal(text.Bytes(), want) {
		t.Errorf("the skeleton is\n%s", &text)
	}
	all := set(t, text.String(), options{})
	for _, target := range all {
		outcome, err := target.apply(malicious...)
		must.OK(t, err)
		if len(outcome.Skipped) != 1 {
			t.Errorf("%s: skipped %v, want the type that no block can name", target.name, outcome.Skipped)
		}
	}
	same(t, all, "SELECT subject, type, position, events FROM orders_state ORDER BY subject",
		"o1|OrderCreated|8|2\no2|on \"this\" page|4|2\no3|com.example.created|7|2")
}

func TestASkeletonOfSeveralFeedsKeepsThemApart(t *testing.T) {
	t.Parallel()
	other := sampled(at(1, "OrderCreated", "o1", `{}`))
	other.Feed = "Or-ders"
	third := sampled(at(1, "OrderCreated", "o1", `{}`))
	third.Feed = "2024/or ders"
	fourth := sampled()
	fourth.Feed = "or.ders"
	var text bytes.Buffer
	must.OK(t, projection.Skeleton(&text, sampled(malicious...), other, third, fourth))
	target := set(t, text.String(), options{})[1]
	e := at(1, "OrderCreated", "o1", `{}`)
	e.Feed = third.Feed
	_, err := target.apply(at(1, "OrderCreated", "o1", `{}`), e)
	must.OK(t, err)
	same(t, []*store{target}, "SELECT (SELECT count(*) FROM orders_state), (SELECT count(*) FROM or_ders_state), (SELECT count(*) FROM or_ders_state_2), (SELECT count(*) FROM feed_2024_or_ders_state)", "1|0|0|1")
}

func TestASkeletonOfFeedsWithOneNameKeepsThemApartByTheirIDs(t *testing.T) {
	t.Parallel()
	first := sampled(at(1, "OrderCreated", "o1", `{}`))
	first.ID = "urn:uuid:1"
	other := sampled(at(1, "OrderCreated", "o1", `{}`))
	other.ID = "https://else.example/feed, \"the\" one"
	var text bytes.Buffer
	must.OK(t, projection.Skeleton(&text, first, other))
	all := set(t, text.String(), options{})
	e := at(1, "OrderCreated", "o2", `{}`)
	e.FeedID = other.ID
	for _, target := range all {
		_, err := target.apply(at(1, "OrderCreated", "o1", `{}`), e)
		must.OK(t, err)
	}
	same(t, all, "SELECT a.subject, b.subject FROM orders_state a, orders_state_2 b", "o1|o2")
}

func TestASkeletonHasEveryTypeThatWasCounted(t *testing.T) {
	t.Parallel()
	s := sampled(malicious...)
	hostile := "urn:x\n; DROP TABLE a; --"
	s.SetCounts([]feed.TypeCount{
		{TypeKey: feed.TypeKey{Type: "OrderCreated"}, Events: 40, First: 1, Last: 90},
		{TypeKey: feed.TypeKey{Type: "OrderCreated", DataSchema: "urn:1"}, Events: 2, First: 50, Last: 51},
		{TypeKey: feed.TypeKey{Type: "com.example.created", DataSchema: hostile}, Events: 1, First: 7, Last: 7},
		{TypeKey: feed.TypeKey{Type: "Rare", DataSchema: "urn:a,"}, Events: 1, First: 44, Last: 44},
		{TypeKey: feed.TypeKey{Type: "Rare", DataSchema: "urn:b"}, Events: 1, First: 43, Last: 43},
		{TypeKey: feed.TypeKey{Type: "no\nblock"}, Events: 3, First: 60, Last: 70},
	}, 95, false)
	if got := fmt.Sprint(s.Unsampled()); got != "[70 44]" {
		t.Errorf("unsampled at %s", got)
	}
	var text bytes.Buffer
	must.OK(t, projection.Skeleton(&text, s))
	for _, want := range []string{
		"\n-- The types of all events up to position 95 were counted: all of them are below.\n",
		"\n-- 42 events of type OrderCreated, first at position 1, last at 90; 3 sampled:\n",
		"\n-- on OrderCreated\n-- dataschema none urn:1\n",
		"\n-- 2 events of type Rare, first at position 43, last at 44; none was sampled:\n-- on Rare\nINSERT",
		"\n-- 1 event of type com.example.created, at position 7:\n-- on com.example.created\nINSERT",
		"\n-- 3 events of type no�block, first at position 60, last at 70; none was sampled:\n--   has a name that no block can have\n",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("lacks %q:\n%s", want, &text)
		}
	}
	for _, target := range set(t, text.String(), options{}) {
		_, err := target.apply(malicious...)
		must.OK(t, err)
	}
}

func TestASkeletonOfAnEmptyFeedRuns(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	must.OK(t, projection.Skeleton(&text, &projection.Sample{Feed: "orders", URL: "https://shop.example/"}))
	set(t, text.String(), options{})
}

func TestASkeletonOfDataWithEndlessKeysIsShort(t *testing.T) {
	t.Parallel()
	s := &projection.Sample{Feed: "orders"}
	for i := range int64(1000) {
		e := at(i, "A", "s", `{"k`+strings.Repeat("x", int(i))+`":1}`)
		s.Add(&e.Event)
	}
	var text bytes.Buffer
	must.OK(t, projection.Skeleton(&text, s))
	if lines := strings.Count(text.String(), "\n"); lines > 100 || !strings.Contains(text.String(), "and more fields") {
		t.Errorf("%d lines", lines)
	}
}

// FuzzSkeleton: whatever a producer writes, the file can be read, and does
// nothing but what it is for.
func FuzzSkeleton(f *testing.F) {
	for _, e := range malicious {
		f.Add(e.Feed, e.Type, e.Data)
	}
	f.Add("a\r\nb", "\"\r", []byte(`{"\u0000":{"--":1}}`))
	f.Add("none", "urn:a\nSELECT 1;", []byte("{}"))
	f.Fuzz(func(t *testing.T, name, kind string, data []byte) {
		s := &projection.Sample{Feed: name, URL: name}
		s.SetCounts([]feed.TypeCount{{TypeKey: feed.TypeKey{Type: kind, DataSchema: name}, Events: 1, First: 1, Last: 1}}, 1, false)
		s.Add(&event.Event{Type: kind, Data: data})
		var text bytes.Buffer
		must.OK(t, projection.Skeleton(&text, s))
		p, err := projection.Parse("skeleton.sql", text.Bytes())
		if err != nil {
			t.Fatalf("%v:\n%s", err, &text)
		}
		if types := p.Types(); len(types) != 1 || types[0] != kind && types[0] != "NameOfAType" {
			t.Fatalf("types %q, want %q:\n%s", types, kind, &text)
		}
	})
}
