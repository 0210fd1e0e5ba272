//go:build unix

package seednats

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testnats"
	"github.com/eventfeed/eventfeed/seed/broker"
	"github.com/eventfeed/eventfeed/seed/broker/logtest"
)

// wantOperator makes sure that an error needs an operator, and what it says.
func wantOperator(t *testing.T, err error, usage bool, text, next string) {
	t.Helper()
	operator, is := errors.AsType[*broker.OperatorError](err)
	if !is || operator.Usage != usage || !strings.Contains(err.Error(), text) || !strings.Contains(operator.Next, next) {
		t.Errorf("%v\n%+v\nwant %q and %q", err, operator, text, next)
	}
}

// wantTransient makes sure that an error may pass, and what it says.
func wantTransient(t *testing.T, err error, text string) {
	t.Helper()
	_, operator := errors.AsType[*broker.OperatorError](err)
	if err == nil || operator || isFinal(err) || !strings.Contains(err.Error(), text) {
		t.Errorf("%v, want an error that may pass with %q", err, text)
	}
}

func TestAStreamThatCouldLoseItsEndIsRefused(t *testing.T) {
	t.Parallel()
	node := testnats.Start(t)
	other := newPlace(t, node, jetstream.StreamConfig{}).config.stream(t)
	for name, test := range map[string]struct {
		settings   jetstream.StreamConfig
		text, next string
	}{
		"work queue":      {jetstream.StreamConfig{Retention: jetstream.WorkQueuePolicy}, "is a work queue", "nats stream add NAME --subjects="},
		"interest":        {jetstream.StreamConfig{Retention: jetstream.InterestPolicy}, "its retention is not limits", "nats stream edit STREAM --retention=limits"},
		"maximum age":     {jetstream.StreamConfig{MaxAge: 24 * time.Hour}, "max_age", "nats stream edit STREAM --max-age=0s"},
		"mirror":          {jetstream.StreamConfig{Mirror: &jetstream.StreamSource{Name: other}}, "is a mirror", "nats stream add NAME"},
		"sources":         {jetstream.StreamConfig{Sources: []*jetstream.StreamSource{{Name: other}}}, "has sources", "nats stream add NAME"},
		"no acks":         {jetstream.StreamConfig{NoAck: true}, "acknowledges nothing", "nats stream edit STREAM --ack"},
		"memory":          {jetstream.StreamConfig{Storage: jetstream.MemoryStorage}, "its storage is memory", "--storage=file"},
		"one per subject": {jetstream.StreamConfig{MaxMsgsPerSubject: 1}, "max_msgs_per_subject", "nats stream edit STREAM --max-msgs-per-subject=-1"},
		"few messages":    {jetstream.StreamConfig{MaxMsgs: 2047, Discard: jetstream.DiscardOld}, "keeps fewer messages than 2048", "nats stream edit STREAM --max-msgs=2048"},
		"few bytes":       {jetstream.StreamConfig{MaxBytes: 1 << 20, Discard: jetstream.DiscardOld}, "keeps fewer bytes than 33554432", "nats stream edit STREAM --max-bytes=33554432"},
		"counter":         {jetstream.StreamConfig{AllowMsgCounter: true, AllowDirect: true}, "it counts", "nats stream add NAME"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, node, test.settings)
			l := p.newLog(t)
			wantOperator(t, l.Open(t.Context(), logtest.Feed), true, test.text, strings.ReplaceAll(test.next, "STREAM", p.config.stream(t)))
		})
	}
	t.Run("sealed", func(t *testing.T) {
		t.Parallel()
		p := newPlace(t, node, jetstream.StreamConfig{})
		settings := p.stream.CachedInfo().Config
		settings.Sealed = true
		_, err := p.client.UpdateStream(t.Context(), settings)
		must.OK(t, err)
		wantOperator(t, p.newLog(t).Open(t.Context(), logtest.Feed), true, "it is sealed", "nats stream add NAME")
	})
	t.Run("missing", func(t *testing.T) {
		t.Parallel()
		p := newPlace(t, node, jetstream.StreamConfig{})
		must.OK(t, p.client.DeleteStream(t.Context(), p.config.stream(t)))
		wantOperator(t, p.newLog(t).Open(t.Context(), logtest.Feed), true, "there is no stream "+p.config.stream(t),
			"nats stream add "+p.config.stream(t)+" --subjects='"+p.config.stream(t)+".orders.>'")
	})
}

func TestSettingsThatKeepTheEndAreAllowed(t *testing.T) {
	t.Parallel()
	node := testnats.Start(t)
	const all = 120
	for name, test := range map[string]struct {
		settings jetstream.StreamConfig
		keeps    int // of all messages; 0 if it does not matter
	}{
		"old messages are discarded":         {jetstream.StreamConfig{MaxMsgs: 2048, Discard: jetstream.DiscardOld}, 2048},
		"old bytes are discarded":            {jetstream.StreamConfig{MaxBytes: 32 << 20, Discard: jetstream.DiscardOld}, 0},
		"few messages, new ones are refused": {jetstream.StreamConfig{MaxMsgs: 200, Discard: jetstream.DiscardNew}, all},
		"few per subject, new are refused":   {jetstream.StreamConfig{MaxMsgsPerSubject: 200, Discard: jetstream.DiscardNew, DiscardNewPerSubject: true}, all},
		"a first sequence":                   {jetstream.StreamConfig{FirstSeq: 1000}, all},
		"no deletion":                        {jetstream.StreamConfig{DenyDelete: true, DenyPurge: true}, all},
		"direct get":                         {jetstream.StreamConfig{AllowDirect: true}, all},
		"a long dedupe window":               {jetstream.StreamConfig{Duplicates: time.Hour}, all},
		"compression":                        {jetstream.StreamConfig{Compression: jetstream.S2Compression}, all},
		"lifetimes that messages could have": {jetstream.StreamConfig{AllowMsgTTL: true}, all},
		"rollups that messages could ask":    {jetstream.StreamConfig{AllowRollup: true}, all},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			last := int64(all)
			if test.keeps != all {
				last = 2500 // more than are kept
			}
			p := newPlace(t, node, test.settings)
			l := p.newLog(t)
			t.Cleanup(l.Close)
			for _, to := range []int64{5, last} {
				must.OK(t, l.Open(t.Context(), logtest.Feed))
				end, _, err := l.End(t.Context())
				must.OK(t, err)
				must.OK(t, l.Append(t.Context(), logtest.Messages(1, end.Position, to)))
				end, found, err := l.End(t.Context())
				if err != nil || !found || end.Position != to {
					t.Fatalf("end %+v, found %t, %v, want position %d", end, found, err, to)
				}
			}
			_, err := l.Earlier(t.Context())
			must.OK(t, err)
			if kept := len(p.read(t)); test.keeps > 0 && kept != test.keeps {
				t.Errorf("%d messages are kept, want %d", kept, test.keeps)
			}
		})
	}
}

// A full stream that discards new messages refuses them until someone makes room.
func TestAFullStreamIsAnErrorThatMayPassAndNamesTheLimit(t *testing.T) {
	t.Parallel()
	node := testnats.Start(t)
	for name, test := range map[string]struct {
		settings jetstream.StreamConfig
		text     string
	}{
		"messages":             {jetstream.StreamConfig{MaxMsgs: 7, Discard: jetstream.DiscardNew}, "--max-msgs=N"},
		"bytes":                {jetstream.StreamConfig{MaxBytes: 50_000, Discard: jetstream.DiscardNew}, "--max-bytes=N"},
		"messages per subject": {jetstream.StreamConfig{MaxMsgsPerSubject: 7, Discard: jetstream.DiscardNew, DiscardNewPerSubject: true}, "--max-msgs-per-subject=N"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, node, test.settings)
			l := p.newLog(t)
			begin(t, l)
			err := l.Append(t.Context(), logtest.Messages(1, 0, 30))
			wantTransient(t, err, test.text)
			if !strings.Contains(err.Error(), "is full and discards new messages") {
				t.Errorf("%v", err)
			}
			if at := begin(t, l); at < 1 || at > 29 {
				t.Fatalf("the end is %d", at)
			}
			settings := p.stream.CachedInfo().Config
			settings.MaxMsgs, settings.MaxBytes, settings.MaxMsgsPerSubject, settings.DiscardNewPerSubject = -1, -1, -1, false
			_, err = p.client.UpdateStream(t.Context(), settings)
			must.OK(t, err)
			publish(t, l, 30)
			if kept := len(p.read(t)); kept != 30 {
				t.Errorf("%d messages", kept)
			}
		})
	}
}

func TestAMessageThatTheStreamCannotTakeIsNamedAndThoseBeforeItStay(t *testing.T) {
	t.Parallel()
	node := testnats.Start(t)
	for name, test := range map[string]struct {
		settings jetstream.StreamConfig
		change   func(m *broker.Message)
		usage    bool
		text     string
		next     string
	}{
		"the stream's maximum size":  {jetstream.StreamConfig{MaxMsgSize: 15_000}, func(*broker.Message) {}, false, "allows 15000", "--max-msg-size="},
		"another subject":            {jetstream.StreamConfig{Subjects: []string{"UNIQUE.orders.OrderPaid", "UNIQUE.orders.com.>"}}, func(m *broker.Message) { m.Type = "Odd" }, true, "has the subject UNIQUE.orders.Odd", "--subjects='UNIQUE.orders.OrderPaid,UNIQUE.orders.com.>,UNIQUE.orders.>'"},
		"a subject that is too long": {jetstream.StreamConfig{}, func(m *broker.Message) { m.Type = strings.Repeat("ü", 1000) }, false, "has a subject of 6", "--route"},
		"headers that are too large": {jetstream.StreamConfig{}, func(m *broker.Message) { m.Extensions = map[string]string{"large": strings.Repeat("ü", 12_000)} }, false, "as headers, and a stream allows 65535", "into its data"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			unique := "U" + rand.Text()[:8]
			for i := range test.settings.Subjects {
				test.settings.Subjects[i] = strings.ReplaceAll(test.settings.Subjects[i], "UNIQUE", unique)
			}
			p := newPlace(t, node, test.settings)
			if test.settings.Subjects != nil {
				p.config.Route = unique + ".{feed}.{type}"
			}
			l := p.newLog(t)
			begin(t, l)
			all := logtest.Messages(1, 0, 9)
			test.change(&all[6])
			err := l.Append(t.Context(), all)
			wantOperator(t, err, test.usage, strings.ReplaceAll(test.text, "UNIQUE", unique), strings.ReplaceAll(test.next, "UNIQUE", unique))
			if err == nil || !strings.Contains(err.Error(), all[6].String()) {
				t.Errorf("%v does not name %s", err, &all[6])
			}
			if end, found, err := l.End(t.Context()); err != nil || !found || end.Position != 6 {
				t.Errorf("end %+v, found %t, %v, want position 6", end, found, err)
			}
		})
	}
}

// Such a message would be stored, acknowledged, and discarded with all before it.
func TestAMessageThatTheWholeStreamCannotHoldIsRefused(t *testing.T) {
	t.Parallel()
	p := newPlace(t, testnats.Start(t), jetstream.StreamConfig{MaxBytes: 33 << 20})
	l := p.newLog(t)
	publish(t, l, 3)
	l.settings.MaxBytes = 20_000 // as a stream of 8 MiB would have it for an event of that size
	wantOperator(t, l.Append(t.Context(), logtest.Messages(1, 3, 8)), false, "position 7 of feed orders (event id-7) takes ", "--max-bytes=")
	if at := begin(t, l); at != 6 {
		t.Errorf("the end is %d, want 6", at)
	}
}

// An event has at most 8 MiB. What the end tells must not depend on its size.
func TestTheLargestEventIsPublishedIfTheServerTakesIt(t *testing.T) {
	t.Parallel()
	node := testnats.Own(t, "max_payload: 9MB", "max_pending: 64MB")
	p := newPlace(t, node, jetstream.StreamConfig{})
	l := p.newLog(t)
	begin(t, l)
	all := logtest.Messages(1, 0, 2)
	for i := range all {
		all[i].Data = []byte(strings.Repeat(string(rune('a'+i)), 8<<20))
	}
	must.OK(t, l.Append(t.Context(), all))
	if end, found, err := l.End(t.Context()); err != nil || !found || end.Position != 2 {
		t.Errorf("end %+v, found %t, %v", end, found, err)
	}
	_, err := l.Earlier(t.Context())
	must.OK(t, err)
}

func TestAServerWithoutRoomIsAnErrorThatMayPass(t *testing.T) {
	t.Parallel()
	node := testnats.Own(t)
	node.Reconfigure(t, "accounts { A { jetstream { max_store: 200KB, max_mem: 0 }, users: [ { user: a, password: a } ] } }", "no_auth_user: a")
	node.Restart(t)
	p := newPlace(t, node, jetstream.StreamConfig{})
	l := p.newLog(t)
	begin(t, l)
	wantTransient(t, l.Append(t.Context(), logtest.Messages(1, 0, 500)), "no storage left")
	if at := begin(t, l); at < 1 || at > 499 {
		t.Errorf("the end is %d", at)
	}
}
