// Package logtest has the tests that every broker.Log must pass.
package logtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
)

// Place is where logs are: a topic or a stream. It is empty at first.
type Place struct {
	// NewLog returns a log of the place, not open. Two logs are two publishers.
	NewLog func() broker.Log
	// Read returns all messages of the place, by a client other than the log's own if there is one.
	Read func(t *testing.T) []Message
	// Fences says that the Append of a publisher returns seed.ErrMoved after another one's Claim. If
	// not, it may return nil although the broker drops the messages.
	Fences bool
	// MaxData is a number of bytes of data that the place takes. It does not take twice as many.
	MaxData int
}

// Message is a message as a consumer reads it.
type Message struct {
	// Attributes are those of CloudEvents, datacontenttype among them, without the prefix and the
	// encoding of the protocol.
	Attributes map[string]string
	Data       []byte
}

// Feed is the one that the tests publish.
var Feed = broker.Feed{ID: "urn:uuid:0b4e2bb4-4c4b-4a7e-9d9e-5f0a3c1d2e3f", Name: "orders"}

// Run runs all tests, each on a place that newPlace makes.
func Run(t *testing.T, newPlace func(t *testing.T) Place) {
	for name, test := range map[string]func(*testing.T, *bench){
		"an empty log has no end":                                        emptyLog,
		"the last message is the end":                                    lastIsEnd,
		"messages are kept in order and byte for byte":                   keepsMessages,
		"a log that was closed continues after its end":                  continues,
		"a marker begins a generation at its place":                      marker,
		"earlier places are those of the history that the end has":       earlier,
		"an overtaken publisher doubles nothing and loses nothing":       overtaken,
		"a message that is too large is named, and those before it stay": tooLarge,
		"a canceled context ends a call":                                 canceled,
		"a log that is only looked at fences nobody":                     looksOnly,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, &bench{Place: newPlace(t)})
		})
	}
}

// bench is a place under test.
type bench struct{ Place }

// open opens a log, as a publisher does.
func (b *bench) open(t *testing.T) (l broker.Log, end broker.Place, found bool) {
	t.Helper()
	l = b.NewLog()
	t.Cleanup(l.Close)
	must.OK(t, l.Open(t.Context(), Feed))
	must.OK(t, l.Claim(t.Context()))
	end, found, err := l.End(t.Context())
	must.OK(t, err)
	return l, end, found
}

// appendTo appends the events after one position and up to another.
func appendTo(t *testing.T, l broker.Log, generation, after, to int64) {
	t.Helper()
	must.OK(t, l.Append(t.Context(), Messages(generation, after, to)))
}

// Messages returns the messages of a history, after one position and up to another. Some of them
// have attributes and data that a protocol may find hard to keep.
func Messages(generation, after, to int64) (all []broker.Message) {
	for p := after + 1; p <= to; p++ {
		m := broker.Message{Generation: generation, Epoch: "e1", Digest: digestAt(p), DigestBefore: digestAt(p - 1)}
		m.Delivered = event.Delivered{Feed: Feed.Name, FeedID: Feed.ID, Placed: event.Placed{
			Position: p, Recorded: time.Unix(1_700_000_000+p, 123_456_000).UTC(),
			Event: event.Event{
				ID: fmt.Sprint("id-", p), Source: "/shop", Type: "OrderPaid", Subject: fmt.Sprint("o-", p%3),
				Time: time.Unix(1_600_000_000+p, 0).UTC(), DataContentType: "application/json", Data: fmt.Appendf(nil, `{"n": %d}`, p),
			},
		}}
		change(&m, p)
		all = append(all, m)
	}
	return all
}

// change makes some messages unusual.
func change(m *broker.Message, position int64) {
	switch position % 10 {
	case 2:
		m.Data, m.Subject, m.DataContentType = nil, "", ""
	case 3:
		m.ID, m.Subject = "ünï ☃ %41\t\"'", " a b%/.*>\n€ "
	case 4:
		m.Data, m.DataContentType = []byte{0, 255, 10, 13, 0, 128}, "application/octet-stream"
	case 5:
		m.Extensions = map[string]string{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "a": "", "b": "ü\n"}
		m.DataSchema = "https://shop.example/schemas/1"
	case 6:
		m.Type = "com.example.ö der.type *"
	case 7:
		m.Data = bytes.Repeat([]byte("x"), 20_000)
	}
}

func digestAt(position int64) broker.Digest {
	return sha256.Sum256(strconv.AppendInt(nil, position, 10))
}

func placeAt(generation, position int64) broker.Place {
	return broker.Place{Feed: Feed, Generation: generation, Epoch: "e1", Position: position, Digest: digestAt(position)}
}

// wantEnd makes sure that another log sees this end.
func (b *bench) wantEnd(t *testing.T, want broker.Place) {
	t.Helper()
	if _, end, found := b.open(t); !found || end != want {
		t.Errorf("end %+v, found %t, want %+v", end, found, want)
	}
}

// wantMessages makes sure that the place holds these messages, and no others.
func (b *bench) wantMessages(t *testing.T, want ...broker.Message) {
	t.Helper()
	got := b.Read(t)
	if len(got) != len(want) {
		t.Fatalf("%d messages, want %d: %s", len(got), len(want), positions(got))
	}
	for i := range want {
		attributes := make(map[string]string)
		want[i].Attributes(func(name, value string) { attributes[name] = value })
		if want[i].DataContentType != "" {
			attributes["datacontenttype"] = want[i].DataContentType
		}
		if want[i].IsMarker() {
			attributes["time"] = got[i].Attributes["time"]
		}
		if !maps.Equal(got[i].Attributes, attributes) {
			t.Errorf("message %d has the attributes\n%q, want\n%q", i, got[i].Attributes, attributes)
		}
		if !bytes.Equal(got[i].Data, want[i].Data) {
			t.Errorf("message %d has the data %.80q, want %.80q", i, got[i].Data, want[i].Data)
		}
	}
}

// positions lists those of messages, for errors.
func positions(all []Message) (list []string) {
	for i := range all {
		list = append(list, all[i].Attributes[broker.GenerationAttribute]+":"+all[i].Attributes[broker.PositionAttribute])
	}
	return list
}

func emptyLog(t *testing.T, b *bench) {
	if _, end, found := b.open(t); found {
		t.Errorf("end %+v", end)
	}
}

func lastIsEnd(t *testing.T, b *bench) {
	l, _, _ := b.open(t)
	appendTo(t, l, 1, 0, 1)
	b.wantEnd(t, placeAt(1, 1))
	l, _, _ = b.open(t)
	appendTo(t, l, 1, 1, 30)
	b.wantEnd(t, placeAt(1, 30))
}

func keepsMessages(t *testing.T, b *bench) {
	l, _, _ := b.open(t)
	appendTo(t, l, 1, 0, 12)
	appendTo(t, l, 1, 12, 13)
	appendTo(t, l, 1, 13, 700)
	b.wantMessages(t, Messages(1, 0, 700)...)
}

func continues(t *testing.T, b *bench) {
	l, _, _ := b.open(t)
	appendTo(t, l, 1, 0, 10)
	l.Close()
	l.Close()
	must.OK(t, l.Open(t.Context(), Feed))
	must.OK(t, l.Claim(t.Context()))
	if end, found, err := l.End(t.Context()); err != nil || !found || end != placeAt(1, 10) {
		t.Fatal(end, found, err)
	}
	appendTo(t, l, 1, 10, 20)
	b.wantMessages(t, Messages(1, 0, 20)...)
}

func marker(t *testing.T, b *bench) {
	l, _, _ := b.open(t)
	appendTo(t, l, 1, 0, 10)
	begins := broker.Marker(placeAt(2, 5))
	must.OK(t, l.Append(t.Context(), []broker.Message{begins}))
	b.wantEnd(t, placeAt(2, 5))
	l, _, _ = b.open(t)
	appendTo(t, l, 2, 5, 8)
	b.wantEnd(t, placeAt(2, 8))
	b.wantMessages(t, append(append(Messages(1, 0, 10), begins), Messages(2, 5, 8)...)...)
}

func earlier(t *testing.T, b *bench) {
	l, _, _ := b.open(t)
	appendTo(t, l, 1, 0, 40)
	must.OK(t, l.Append(t.Context(), []broker.Message{broker.Marker(placeAt(2, 20))}))
	appendTo(t, l, 2, 20, 60)
	l, end, _ := b.open(t)
	places, err := l.Earlier(t.Context())
	must.OK(t, err)
	var last, near int64
	for _, p := range places {
		if p.Position <= last || p.Position >= end.Position || p != placeAt(p.Generation, p.Position) || p.Generation == 1 && p.Position > 20 {
			t.Errorf("place %+v after position %d", p, last)
		}
		last, near = p.Position, p.Position
	}
	if near < end.Position-8 {
		t.Errorf("the last earlier place is %d of %d", near, end.Position)
	}
}

func overtaken(t *testing.T, b *bench) {
	older, _, _ := b.open(t)
	appendTo(t, older, 1, 0, 5)
	newer, end, _ := b.open(t)
	if end != placeAt(1, 5) {
		t.Fatalf("end %+v", end)
	}
	appendTo(t, newer, 1, 5, 8)
	if err := older.Append(t.Context(), Messages(1, 5, 20)); b.Fences && !errors.Is(err, seed.ErrMoved) {
		t.Errorf("the older publisher got %v", err)
	}
	older.Close()
	newer.Close()
	l, end, found := b.open(t)
	if !found {
		t.Fatal("no end")
	}
	appendTo(t, l, 1, end.Position, 30)
	b.wantMessages(t, Messages(1, 0, 30)...)
}

func tooLarge(t *testing.T, b *bench) {
	l, _, _ := b.open(t)
	all := Messages(1, 0, 3)
	all[0].Data = bytes.Repeat([]byte("a"), b.MaxData)
	all[1].Data = bytes.Repeat([]byte("a"), 2*b.MaxData)
	err := l.Append(t.Context(), all)
	operator, is := errors.AsType[*broker.OperatorError](err)
	if !is || operator.Next == "" || !bytes.Contains([]byte(err.Error()), []byte(all[1].String())) {
		t.Errorf("%v", err)
	}
	b.wantMessages(t, all[0])
}

func canceled(t *testing.T, b *bench) {
	l, _, _ := b.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Append(ctx, Messages(1, 0, 3)); !errors.Is(err, context.Canceled) {
		t.Errorf("append: %v", err)
	}
	l.Close()
	if err := l.Open(ctx, Feed); !errors.Is(err, context.Canceled) {
		t.Errorf("open: %v", err)
	}
}

func looksOnly(t *testing.T, b *bench) {
	l, _, _ := b.open(t)
	appendTo(t, l, 1, 0, 5)
	look := b.NewLog()
	t.Cleanup(look.Close)
	must.OK(t, look.Open(t.Context(), Feed))
	if end, found, err := look.End(t.Context()); err != nil || !found || end != placeAt(1, 5) {
		t.Error(end, found, err)
	}
	appendTo(t, l, 1, 5, 9)
	b.wantEnd(t, placeAt(1, 9))
}
