//go:build unix

package seednats

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testnats"
	"github.com/eventfeed/eventfeed/internal/testing/testproxy"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
	"github.com/eventfeed/eventfeed/seed/broker/logtest"
)

// begin opens a log, until the test ends, and returns where it ends.
func begin(t *testing.T, l *log) int64 {
	t.Helper()
	t.Cleanup(l.Close)
	must.OK(t, l.Open(t.Context(), logtest.Feed))
	end, _, err := l.End(t.Context())
	must.OK(t, err)
	return end.Position
}

// publish publishes up to a position.
func publish(t *testing.T, l *log, to int64) {
	t.Helper()
	must.OK(t, l.Append(t.Context(), logtest.Messages(1, begin(t, l), to)))
}

// wantPositions makes sure that a stream holds the messages of all positions up to one, each once and
// in order, byte for byte.
func wantPositions(t *testing.T, read []logtest.Message, to int64) {
	t.Helper()
	want := logtest.Messages(1, 0, to)
	if len(read) != len(want) {
		t.Errorf("%d messages, want %d", len(read), len(want))
	}
	for i := range min(len(read), len(want)) {
		if at := read[i].Attributes[broker.PositionAttribute]; at != fmt.Sprint(i+1) || !bytes.Equal(read[i].Data, want[i].Data) {
			t.Fatalf("message %d has position %s, want %d", i, at, i+1)
		}
	}
}

func TestALostEndIsToldWithItsSequenceAndMendedByAMarker(t *testing.T) {
	t.Parallel()
	node := testnats.Start(t)
	for name, test := range map[string]struct {
		lose func(t *testing.T, p *place)
		text string
		last int // the sequence that the marker gets
	}{
		"purged": {func(t *testing.T, p *place) { must.OK(t, p.stream.Purge(t.Context())) }, "sequence 12, was deleted, and no message is left", 13},
		"deleted": {func(t *testing.T, p *place) { must.OK(t, p.stream.DeleteMsg(t.Context(), 12)) },
			"sequence 12, was deleted; 11 messages are left", 13},
		"another one's": {func(t *testing.T, p *place) {
			_, err := p.client.Publish(t.Context(), p.config.stream(t)+".alien", []byte("x"))
			must.OK(t, err)
		}, "sequence 13, on subject STREAM.alien is not a message of eventfeed: has no attribute effeedid", 14},
		"another one's with headers": {func(t *testing.T, p *place) {
			_, err := p.client.PublishMsg(t.Context(), &nats.Msg{Subject: p.config.stream(t) + ".alien", Header: nats.Header{"ce-effeedid": {logtest.Feed.ID}}})
			must.OK(t, err)
		}, "sequence 13, on subject STREAM.alien is not a message of eventfeed: attribute efgeneration", 14},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, node, jetstream.StreamConfig{})
			publish(t, p.newLog(t), 12)
			test.lose(t, p)
			l := p.newLog(t)
			t.Cleanup(l.Close)
			must.OK(t, l.Open(t.Context(), logtest.Feed))
			_, found, err := l.End(t.Context())
			_, lost := errors.AsType[*broker.LostEndError](err)
			if want := strings.ReplaceAll(test.text, "STREAM", p.config.stream(t)); found || !lost || !errors.Is(err, seed.ErrMismatch) || !strings.Contains(err.Error(), want) {
				t.Fatalf("found %t, %v, want %q", found, err, want)
			}
			begins := logtest.Messages(2, 4, 5)[0].Place()
			must.OK(t, l.Append(t.Context(), []broker.Message{broker.Marker(begins)}))
			end, found, err := l.End(t.Context())
			if err != nil || !found || end != begins || l.last != uint64(test.last) {
				t.Errorf("end %+v, found %t, sequence %d, %v", end, found, l.last, err)
			}
		})
	}
}

// The checkpoint goes back with the messages.
func TestAServerThatIsRestoredToOlderDataIsPublishedToAgain(t *testing.T) {
	t.Parallel()
	node := testnats.Own(t)
	p := newPlace(t, node, jetstream.StreamConfig{})
	publish(t, p.newLog(t), 20)
	node.Kill()
	backup := t.TempDir() + "/data"
	must.OK(t, os.CopyFS(backup, os.DirFS(node.Data())))
	node.Restart(t)
	running := p.newLog(t)
	publish(t, running, 50)
	node.Kill()
	must.OK(t, os.RemoveAll(node.Data()))
	must.OK(t, os.CopyFS(node.Data(), os.DirFS(backup)))
	node.Restart(t)
	if err := running.Append(t.Context(), logtest.Messages(1, 50, 60)); err == nil {
		t.Error("it appends after messages that are lost")
	}
	if at := begin(t, running); at != 20 {
		t.Errorf("the end is %d, want that of the backup", at)
	}
	publish(t, running, 60)
	wantPositions(t, p.read(t), 60)
}

// A publisher that has just died may have left messages on the way: its successor meets them once. Two
// publishers that live meet again and again.
func TestOfTwoPublishersThatMeetAgainOneEnds(t *testing.T) {
	t.Parallel()
	p := newPlace(t, testnats.Start(t), jetstream.StreamConfig{})
	a, b := p.newLog(t), p.newLog(t)
	begin(t, a)
	begin(t, b)
	must.OK(t, b.Append(t.Context(), logtest.Messages(1, 0, 3)))
	wantTransient(t, a.Append(t.Context(), logtest.Messages(1, 0, 2)), "does not follow the last message")
	if at := begin(t, a); at != 3 {
		t.Errorf("a continues after %d, want 3", at)
	}
	must.OK(t, a.Append(t.Context(), logtest.Messages(1, 3, 6)))
	wantTransient(t, b.Append(t.Context(), logtest.Messages(1, 3, 4)), "does not follow the last message")
	if at := begin(t, b); at != 6 {
		t.Errorf("b continues after %d, want 6", at)
	}
	must.OK(t, b.Append(t.Context(), logtest.Messages(1, 6, 8)))
	wantTransient(t, a.Append(t.Context(), logtest.Messages(1, 6, 7)), "does not follow the last message")
	a.timeouts.rival = time.Nanosecond // since they met
	must.OK(t, a.Open(t.Context(), logtest.Feed))
	if _, _, err := a.End(t.Context()); !errors.Is(err, seed.ErrMoved) || !strings.Contains(err.Error(), b.run) || !strings.Contains(err.Error(), "sequence 8") {
		t.Errorf("a meets b again: %v", err)
	}
	must.OK(t, b.Append(t.Context(), logtest.Messages(1, 8, 10)))
	wantPositions(t, p.read(t), 10)
}

// The server stores the second message of a window after another one's first: it has the expected number.
func TestAMessageBetweenThoseOfAWindowIsFoundByWhoeverReadsTheEnd(t *testing.T) {
	t.Parallel()
	node := testnats.Start(t)
	for name, test := range map[string]struct {
		between func(t *testing.T, p *place)
		after   int64 // position of the end that is told; 0 if it is lost
		text    string
	}{
		"of nobody": {func(t *testing.T, p *place) {
			_, err := p.client.Publish(t.Context(), p.config.stream(t)+".alien", nil)
			must.OK(t, err)
		}, 0, "message 12, position 12 of feed orders in generation 1, does not follow message 11, which is not of eventfeed"},
		"a marker": {func(t *testing.T, p *place) {
			l := p.newLog(t)
			begin(t, l)
			must.OK(t, l.Append(t.Context(), []broker.Message{broker.Marker(logtest.Messages(2, 4, 5)[0].Place())}))
		}, 0, "message 12, position 12 of feed orders in generation 1, does not follow message 11, position 5 of feed orders in generation 2"},
		"a message that is deleted by hand": {func(t *testing.T, p *place) {
			_, err := p.client.Publish(t.Context(), p.config.stream(t)+".alien", nil)
			must.OK(t, err)
			go func() {
				for p.stream.DeleteMsg(t.Context(), 11) != nil && t.Context().Err() == nil {
				}
			}()
		}, 0, "message 12, position 12 of feed orders in generation 1, does not follow message 11, which"},
		"the same event": {func(t *testing.T, p *place) { publish(t, p.newLog(t), 11) }, 300, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, node, jetstream.StreamConfig{})
			publish(t, p.newLog(t), 10)
			l := p.newLog(t)
			begin(t, l)
			test.between(t, p)
			wantTransient(t, l.Append(t.Context(), logtest.Messages(1, 10, 300)), "does not follow the last message")
			settled(t, p, 300)
			for _, l := range []*log{l, p.newLog(t)} {
				t.Cleanup(l.Close)
				must.OK(t, l.Open(t.Context(), logtest.Feed))
				end, found, err := l.End(t.Context())
				_, lost := errors.AsType[*broker.LostEndError](err)
				if test.after > 0 && (err != nil || !found || end.Position != test.after) || test.after == 0 && (!lost || !strings.Contains(err.Error(), test.text)) {
					t.Errorf("end %+v, found %t, %v, want %q", end, found, err, test.text)
				}
			}
			if test.after > 0 {
				wantPositions(t, p.read(t), test.after)
				return
			}
			must.OK(t, l.Append(t.Context(), []broker.Message{broker.Marker(logtest.Messages(3, 9, 10)[0].Place())}))
			if end, found, err := l.End(t.Context()); err != nil || !found || end.Position != 10 || end.Generation != 3 {
				t.Errorf("after a marker: end %+v, found %t, %v", end, found, err)
			}
		})
	}
}

// settled waits until the server has stored a message of a sequence.
func settled(t *testing.T, p *place, sequence uint64) {
	t.Helper()
	for range 6000 {
		info, err := p.stream.Info(t.Context())
		must.OK(t, err)
		if info.State.LastSeq >= sequence {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("message %d is not stored within a minute", sequence)
}

// One that publishes more than a window, while the other one waits, lives.
func TestAPublisherThatPublishesOnIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	p := newPlace(t, testnats.Start(t), jetstream.StreamConfig{})
	a, b := p.newLog(t), p.newLog(t)
	begin(t, a)
	publish(t, b, 10)
	wantTransient(t, a.Append(t.Context(), logtest.Messages(1, 0, 1)), "does not follow the last message")
	must.OK(t, a.Open(t.Context(), logtest.Feed))
	a.timeouts.quiet = 200 * time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for at := int64(10); b.Append(ctx, logtest.Messages(1, at, at+50)) == nil; at += 50 {
			time.Sleep(20 * time.Millisecond)
		}
	})
	settled(t, p, 11)
	if _, _, err := a.End(t.Context()); !errors.Is(err, seed.ErrMoved) {
		t.Errorf("%v", err)
	}
	stop()
	publishing.Wait()
}

// A publisher meets its own messages that were on the way when it lost the connection, and others that
// have died since, as often as it wants.
func TestAPublisherThatMeetsItselfOrNewOnesContinues(t *testing.T) {
	t.Parallel()
	p := newPlace(t, testnats.Start(t), jetstream.StreamConfig{})
	a := p.newLog(t)
	for round := range int64(6) {
		at := begin(t, a)
		other := p.newLog(t)
		if round%2 == 0 {
			other.run = a.run // as a connection of a's that was lost
		}
		publish(t, other, at+2)
		wantTransient(t, a.Append(t.Context(), logtest.Messages(1, at, at+3)), "does not follow the last message")
	}
	publish(t, a, 20)
	wantPositions(t, p.read(t), 20)
}

// The server answers a message with Nats-Msg-Id that it has seen before it compares the expected
// sequence, and confirms a message that it does not store. So no message has it.
func TestMessagesHaveNoIDThatTheServerDeduplicatesBy(t *testing.T) {
	t.Parallel()
	p := newPlace(t, testnats.Start(t), jetstream.StreamConfig{})
	l := p.newLog(t)
	publish(t, l, 3)
	must.OK(t, p.stream.Purge(t.Context()))
	begin := func() {
		must.OK(t, l.Open(t.Context(), logtest.Feed))
		if _, _, err := l.End(t.Context()); err == nil {
			t.Fatal("the end of a purged stream is known")
		}
	}
	begin()
	must.OK(t, l.Append(t.Context(), logtest.Messages(1, 0, 3)))
	all := p.node.Read(t, p.config.stream(t))
	if len(all) != 3 {
		t.Fatalf("%d messages after the same ones were published again, want 3", len(all))
	}
	var names []string
	for name := range all[0].Headers {
		if !strings.HasPrefix(name, "ce-") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if want := []string{"Nats-Expected-Last-Sequence", "Nats-Expected-Stream", "efrun"}; !slices.Equal(names, want) || all[0].Headers["efrun"] != l.run {
		t.Errorf("headers %q of run %s, want %q of %s", names, all[0].Headers["efrun"], want, l.run)
	}
}

// No server sends these answers to our messages; they would be losses.
func TestAnAnswerThatAcknowledgesSomethingElseIsAnError(t *testing.T) {
	t.Parallel()
	l := newLogOf(t, Stream{URL: "nats://h/ORDERS"})
	l.last = 10
	for answer, want := range map[string]string{
		`{"stream":"ORDERS","seq":11}`:                  "",
		`{"stream":"ORDERS","seq":11,"duplicate":true}`: "duplicate: true",
		`{"stream":"ORDERS","seq":12}`:                  "acknowledged message 12",
		`{"stream":"ORDERS"}`:                           "acknowledged message 0",
		`+OK`:                                           "-", `{}`: "-", `{"seq":11}`: "-", `{"stream":"OTHERS","seq":11}`: "-", `{"stream":"OTHERS","error":{"code":400,"err_code":10060,"description":"no match"}}`: "-", ``: "-", // of another subscriber
		`{"error":{"code":503,"err_code":10077,"description":"strange"}}`: "strange",
	} {
		p := &pipeline{log: l, messages: logtest.Messages(1, 10, 11), stored: make([]bool, 1), sent: 1}
		l.conn = &connection{prefix: "_INBOX.x."}
		err := p.acknowledge(&nats.Msg{Subject: "_INBOX.x.11", Data: []byte(answer)})
		if want == "-" {
			if err != nil || p.acked != 0 {
				t.Errorf("%s: %v, %d acknowledged", answer, err, p.acked)
			}
			continue
		}
		if want == "" && (err != nil || p.acked != 1) || want != "" && (err == nil || p.acked != 0 || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, %d acknowledged", answer, err, p.acked)
		}
	}
	l.conn = nil
}

// A subject has other subscribers than the stream. Some of them answer whatever they get.
func TestAnswersOfOtherSubscribersSayNothing(t *testing.T) {
	t.Parallel()
	p := newPlace(t, testnats.Start(t), jetstream.StreamConfig{})
	var answers atomic.Int64
	_, err := p.client.Conn().Subscribe(p.config.stream(t)+".>", func(m *nats.Msg) {
		answers.Add(1)
		_ = m.Respond([]byte("ok"))
	})
	must.OK(t, err)
	must.OK(t, p.client.Conn().Flush())
	l := p.newLog(t)
	for to := int64(100); to <= 500; to += 100 {
		publish(t, l, to)
		must.OK(t, l.Append(t.Context(), logtest.Messages(1, to, to+1)))
		if end, _, err := l.End(t.Context()); err != nil || end.Position != to+1 {
			t.Fatalf("end %+v: %v", end, err)
		}
	}
	if answers.Load() == 0 {
		t.Error("nobody has answered")
	}
	wantPositions(t, p.read(t), 501)
}

// However large the messages are, End reads no more of them than can have been in flight with the last one.
func TestTheEndOfLargeMessagesIsReadInBoundedMemory(t *testing.T) {
	t.Parallel()
	node := testnats.Start(t)
	p := newPlace(t, node, jetstream.StreamConfig{})
	l := p.newLog(t)
	begin(t, l)
	all := logtest.Messages(1, 0, 60)
	for i := range all {
		all[i].Data = bytes.Repeat([]byte("x"), 900_000)
	}
	must.OK(t, l.Append(t.Context(), all))
	relay := testproxy.NewCut(t, node.Address(), -1)
	p.config.URL = "nats://" + relay.Address() + "/" + p.config.stream(t)
	if at := begin(t, p.newLog(t)); at != 60 {
		t.Errorf("the end is %d", at)
	}
	if read := relay.Sent(); read > 24<<20 || read < windowBytes {
		t.Errorf("%d bytes were read", read)
	}
}

// A run remembers that it has published.
func TestAStreamThatWasReplacedByAnEmptyOneHasLostItsEnd(t *testing.T) {
	t.Parallel()
	p := newPlace(t, testnats.Start(t), jetstream.StreamConfig{})
	l := p.newLog(t)
	publish(t, l, 5)
	must.OK(t, p.client.DeleteStream(t.Context(), p.config.stream(t)))
	wantTransient(t, l.Open(t.Context(), logtest.Feed), "stream not found") // someone may be moving it
	late := p.newLog(t)
	wantOperator(t, late.Open(t.Context(), logtest.Feed), true, "there is no stream", "nats stream add")
	testnats.CreateStream(t, p.client, p.stream.CachedInfo().Config)
	must.OK(t, l.Open(t.Context(), logtest.Feed))
	_, _, err := l.End(t.Context())
	if _, lost := errors.AsType[*broker.LostEndError](err); !lost || !strings.Contains(err.Error(), "it was replaced") {
		t.Errorf("%v", err)
	}
	must.OK(t, l.Append(t.Context(), []broker.Message{broker.Marker(logtest.Messages(2, 4, 5)[0].Place())}))
}

// What a publisher that was killed has sent arrives for a while: at the rate of its network.
func TestTheSuccessorOfAPublisherThatDiedWaitsForWhatIsOnTheWay(t *testing.T) {
	t.Parallel()
	node := testnats.Start(t)
	p := newPlace(t, node, jetstream.StreamConfig{})
	slow := p.config
	slow.URL = "nats://" + delayed(t, node.Address()) + "/" + p.config.stream(t)
	dying := newLogOf(t, slow)
	begin(t, dying)
	ctx, kill := context.WithCancel(t.Context())
	var publishing sync.WaitGroup
	publishing.Go(func() { _ = dying.Append(ctx, logtest.Messages(1, 0, 900)) })
	settled(t, p, 20)
	kill()
	publishing.Wait()
	successor := p.newLog(t)
	successor.timeouts.quiet = time.Second
	var to, at atomic.Int64
	to.Store(1000)
	_, err := persist(t.Context(), successor, &to, &at)
	must.OK(t, err)
	wantPositions(t, p.read(t), 1000)
}

// delayed returns the address of a relay that passes on what clients send piece by piece, with pauses, also
// after they have closed the connection.
func delayed(t *testing.T, upstream string) (address string) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must.OK(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", upstream)
		if err != nil {
			return
		}
		defer func() { _ = server.Close() }()
		go func() { _, _ = io.Copy(client, server) }()
		pieces := make(chan []byte, 10_000)
		go func() {
			defer close(pieces)
			for {
				piece := make([]byte, 16_384)
				n, err := client.Read(piece)
				if pieces <- piece[:n]; err != nil {
					return
				}
			}
		}()
		for piece := range pieces {
			time.Sleep(10 * time.Millisecond)
			_, _ = server.Write(piece)
		}
	}()
	return listener.Addr().String()
}

// A stream with overlapping subjects cannot be, but the one with the name may be replaced while its
// subjects go to another one.
func TestAMessageGoesToNoOtherStream(t *testing.T) {
	t.Parallel()
	p := newPlace(t, testnats.Start(t), jetstream.StreamConfig{})
	l, late := p.newLog(t), p.newLog(t)
	publish(t, l, 2)
	begin(t, late)
	settings := p.stream.CachedInfo().Config
	subjects := settings.Subjects
	settings.Subjects = []string{p.config.stream(t) + "-moved.>"}
	_, err := p.client.UpdateStream(t.Context(), settings)
	must.OK(t, err)
	wantTransient(t, l.Append(t.Context(), logtest.Messages(1, 2, 4)), "does not take its subject any more")
	other := newPlace(t, p.node, jetstream.StreamConfig{Subjects: subjects})
	late.last = 0
	late.conn.answer = time.Second
	wantTransient(t, late.Append(t.Context(), logtest.Messages(1, 2, 4)), "has not answered")
	if all := other.read(t); len(all) > 0 {
		t.Errorf("the other stream got %d messages", len(all))
	}
	must.OK(t, l.Open(t.Context(), logtest.Feed))
	_, _, err = l.End(t.Context())
	must.OK(t, err)
	wantOperator(t, l.Append(t.Context(), logtest.Messages(1, 2, 4)), true, "takes only "+p.config.stream(t)+"-moved.>", "nats stream edit")
}
