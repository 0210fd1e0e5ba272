//go:build unix

package seedkafka_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/testkafka"
	"github.com/eventfeed/eventfeed/internal/testing/testproxy"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
	"github.com/eventfeed/eventfeed/seed/broker/logtest"
	"github.com/eventfeed/eventfeed/seed/seedkafka"
)

// silence is how long a broker of these tests may be silent. It is longer than a busy machine takes.
const silence = 5 * time.Second

// through returns a log whose connections all go by way of another address.
func through(node *testkafka.Node, topic, address string) broker.Log {
	return seedkafka.NewLog(seedkafka.Topic{URL: "kafka://" + node.Address() + "/" + topic}, seedkafka.Options{
		Fenced: time.Millisecond, Silence: silence,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	})
}

// wantWhole checks that a topic has the messages up to a position, each once and in order.
func wantWhole(t *testing.T, node *testkafka.Node, topic string, position int64) {
	t.Helper()
	all := read(t, node, topic)
	for i, m := range all {
		if want := fmt.Sprint(i + 1); m.Attributes[broker.PositionAttribute] != want {
			t.Fatalf("message %d has position %s", i+1, m.Attributes[broker.PositionAttribute])
		}
	}
	if int64(len(all)) != position {
		t.Errorf("%d messages, want %d", len(all), position)
	}
}

// wantAgain checks that an error is one after which the log is opened again.
func wantAgain(t *testing.T, err error) {
	t.Helper()
	if _, operator := errors.AsType[*broker.OperatorError](err); err == nil || operator || errors.Is(err, seed.ErrMismatch) || errors.Is(err, seed.ErrMoved) {
		t.Fatalf("%v", err)
	}
}

// The broker's answers are cut after every so many bytes: within the transaction, and in the commit.
func TestAfterACutConnectionTheEndIsTrue(t *testing.T) {
	t.Parallel()
	node := sharedNode(t)
	for _, reset := range []bool{false, true} {
		t.Run(fmt.Sprint("by a reset ", reset), func(t *testing.T) {
			t.Parallel()
			topic := node.Topic(t, 1)
			var position int64
			failed := 0
			for at := int64(0); at < 400; at += 40 {
				cut := testproxy.NewCut(t, node.Address(), -1)
				cut.Reset, cut.Last = reset, true
				p := start(t, through(node, topic, cut.Address()), logtest.Feed)
				if p.position < position {
					t.Fatalf("the end went back from %d to %d", position, p.position)
				}
				if position = p.position; position%20 != 0 {
					t.Fatalf("a part of a transaction is visible, up to %d", position)
				}
				cut.After(at)
				if err := p.Append(t.Context(), logtest.Messages(1, position, position+20)); err != nil {
					wantAgain(t, err)
					failed++
				} else {
					position += 20
				}
				p.Close()
			}
			if failed < 3 {
				t.Errorf("%d cuts were noticed", failed)
			}
			p := start(t, newLog(node, topic), logtest.Feed)
			p.publishTo(p.position + 20)
			wantWhole(t, node, topic, p.position)
		})
	}
}

// A connection that passes nothing on any more ends each call with an error.
func TestACallEndsWhenTheBrokerIsSilent(t *testing.T) {
	t.Parallel()
	node := sharedNode(t)
	topic := node.Topic(t, 1)
	for name, call := range map[string]func(p *publisher) error{
		"append":  func(p *publisher) error { return p.Append(t.Context(), logtest.Messages(1, p.position, p.position+20)) },
		"end":     func(p *publisher) error { _, _, err := p.End(t.Context()); return err },
		"earlier": func(p *publisher) error { _, err := p.Earlier(t.Context()); return err },
		"open":    func(p *publisher) error { return p.Open(t.Context(), logtest.Feed) },
	} {
		proxy := testproxy.NewFaulty(t, node.Address())
		p := start(t, through(node, topic, proxy.Address()), logtest.Feed)
		proxy.Add("timeout", map[string]int{"timeout": 0}) // drops what the broker sends
		began := time.Now()
		err := call(p)
		wantAgain(t, err)
		if took := time.Since(began); took < time.Second || !strings.Contains(err.Error(), "did not answer within "+silence.String()) {
			t.Errorf("%s: %v after %v", name, err, took)
		}
		p.Close()
	}
	p := start(t, newLog(node, topic), logtest.Feed)
	p.publishTo(p.position + 20)
	wantWhole(t, node, topic, p.position)
}

// TestTheEndIsTrueAfterTheBrokerWasKilled has a broker of its own, which it kills at any moment of
// transactions.
func TestTheEndIsTrueAfterTheBrokerWasKilled(t *testing.T) {
	t.Parallel()
	node := testkafka.Own(t)
	node.Checkpoints(t)
	topic := node.Topic(t, 2)
	const step = 50
	var published, visible int64
	for kill := range 2 {
		p, aborted := startAfterKill(t, node, topic)
		if visible = p.position; visible%step != 0 || visible < published && !aborted || visible > published+step {
			t.Fatalf("the end is at %d after %d", visible, published)
		}
		killed := make(chan struct{})
		p.publishTo(p.position + step)
		go func() {
			time.Sleep(time.Duration(100+37*kill) * time.Millisecond)
			node.Kill()
			close(killed)
		}()
		published = p.position
		for {
			err := p.Append(t.Context(), logtest.Messages(1, published, published+step))
			if err != nil {
				wantAgain(t, err)
				break
			}
			published += step
		}
		p.Close()
		<-killed
		node.Restart(t)
	}
	p, _ := startAfterKill(t, node, topic)
	p.publishTo(p.position + step)
	all := read(t, node, topic)
	seen := make(map[string]bool)
	for _, m := range all {
		seen[m.Attributes[broker.PositionAttribute]] = true
	}
	if int64(len(all)) != p.position || len(seen) != len(all) || published == 0 {
		t.Errorf("%d messages, %d of them different, for %d events", len(all), len(seen), p.position)
	}
}

// startAfterKill starts a publisher. If the broker was killed after a commit and before it told the
// partitions of it, it may forget the transaction when it starts: then it stays open, and the publisher
// must wait until an operator aborts it.
func startAfterKill(t *testing.T, node *testkafka.Node, topic string) (p *publisher, aborted bool) {
	t.Helper()
	l := through(node, topic, node.Address())
	t.Cleanup(l.Close)
	for aborts, deadline := 0, time.Now().Add(2*time.Minute); aborts < 3 && time.Now().Before(deadline); {
		end, err := begin(t, l)
		if err == nil {
			return &publisher{l, t, end.Position}, aborts > 0
		}
		wantAgain(t, err)
		if strings.Contains(err.Error(), "has not ended yet") {
			node.AbortHanging(t, topic, checkpoints)
			aborts++
		}
	}
	t.Fatal("a transaction that was aborted is open, or the broker does not answer")
	return nil, false
}

func begin(t *testing.T, l broker.Log) (end broker.Place, err error) {
	t.Helper()
	if err = l.Open(t.Context(), logtest.Feed); err == nil {
		err = l.Claim(t.Context())
	}
	if err == nil {
		end, _, err = l.End(t.Context())
	}
	return end, err
}

func TestAnAppendThatIsCanceledLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	node := sharedNode(t)
	topic := node.Topic(t, 1)
	for _, after := range []time.Duration{0, time.Millisecond, 5 * time.Millisecond, 20 * time.Millisecond} {
		p := start(t, newLog(node, topic), logtest.Feed)
		ctx, cancel := context.WithTimeout(t.Context(), after)
		messages := logtest.Messages(1, p.position, p.position+2000)
		if err := p.Append(ctx, messages); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		cancel()
		// The messages may be used again at once: the race detector would see who reads them.
		for i := range messages {
			for j := range messages[i].Data {
				messages[i].Data[j] = '!'
			}
		}
		p.Close()
	}
	p := start(t, newLog(node, topic), logtest.Feed)
	if p.position%2000 != 0 {
		t.Errorf("the end is at %d", p.position)
	}
	p.publishTo(p.position + 1)
	for _, m := range read(t, node, topic) {
		if strings.HasPrefix(string(m.Data), "!") {
			t.Fatal("a message was sent after its call")
		}
	}
	wantWhole(t, node, topic, p.position)
}
