package seedrabbitmq

import (
	"context"
	"errors"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/seed/broker"
)

const (
	// windowMessages is how many messages may be published and not confirmed yet.
	windowMessages = 2048
	// acknowledgeInterval is the least time between two moves of the checkpoint.
	acknowledgeInterval = 200 * time.Millisecond
	// silence is how long the broker may confirm nothing before a warning.
	silence = 30 * time.Second
	// grace is how long a run that is stopped waits for the confirmations of what it has published.
	grace = 5 * time.Second
)

// messages are n messages in order.
type messages struct {
	n  int
	at func(i int) (*broker.Message, error)
}

// delivery publishes messages in order. A message is done when it is confirmed, and all messages
// before it.
type delivery struct {
	*sink
	messages
	acknowledged func(checkpoint.Acknowledged) error

	done       int   // number of messages that are done
	told       int   // the number passed to acknowledged
	unroutable int64 // number of unroutable ones between told and done
	broke      bool  // acknowledged has returned an error
	returned   map[returnKey]bool
}

// attempt publishes the messages that are not done, over one connection; after a refusal only the
// first of them. After an error the connection must not be used again: what was published and is not
// confirmed may arrive or not.
func (d *delivery) attempt(ctx context.Context) error {
	if err := d.connect(ctx); err != nil {
		return err
	}
	if d.done == d.n {
		return nil
	}
	c, last := d.connection, d.n
	if d.careful {
		last = d.done + 1
	}
	d.returned = make(map[returnKey]bool)
	w := &window{sent: make(chan *amqp.DeferredConfirmation, windowMessages), ended: make(chan published, 1)}
	publishing, stop := context.WithCancel(ctx)
	from := d.done
	go func() { w.ended <- d.publishTo(publishing, c, w, from, last) }()
	err := d.confirmed(ctx, c, w, last)
	stop()
	if err != nil {
		c.cut() // the goroutine may wait for a broker that reads nothing
	}
	if !w.over {
		<-w.ended
	}
	d.careful = d.careful && err != nil || isRefused(err)
	return d.tell(err)
}

// window is what is published over one connection.
type window struct {
	sent  chan *amqp.DeferredConfirmation // of each message that is published, in order
	ended chan published                  // when nothing more is published
	over  bool                            // ended was received
}

// published is how publishing has ended: all messages before n were published.
type published struct {
	n   int
	err error // why not all
}

// publishTo publishes the messages from n on and before last. It waits while the window is full.
func (d *delivery) publishTo(ctx context.Context, c *connection, w *window, n, last int) published {
	for ; n < last; n++ {
		m, err := d.at(n)
		if err != nil {
			return published{n, &broker.OperatorError{Err: err}}
		}
		key, p, err := d.encode(m, c.conn.Config.FrameSize)
		if err != nil {
			return published{n, err}
		}
		if ctx.Err() != nil {
			return published{n, ctx.Err()}
		}
		confirmation, err := c.channel.PublishWithDeferredConfirm(d.to.Name, key, true, false, p)
		if err != nil {
			return published{n, err}
		}
		select {
		case w.sent <- confirmation:
		case <-ctx.Done():
			return published{n, ctx.Err()}
		}
	}
	return published{n, nil}
}

// confirmed takes the confirmations of the messages before end, and moves the checkpoint. It waits for
// one message after the other: the library's common channel of confirmations forgets a refusal if a
// later confirmation is for several messages.
func (d *delivery) confirmed(ctx context.Context, c *connection, w *window, end int) (err error) {
	tick, silent := time.NewTicker(acknowledgeInterval), time.NewTimer(silence)
	defer tick.Stop()
	defer silent.Stop()
	stopping, stopped := ctx.Done(), (<-chan time.Time)(nil)
	var impatient <-chan time.Time // when the broker has taken nothing for as long as it may
	if c.noteAll(); c.alarm != "" {
		d.block(ctx, c.alarm)
		impatient = d.impatience(impatient)
	}
	sent, next := w.sent, (*amqp.DeferredConfirmation)(nil)
	var settled <-chan struct{} // when the broker has said what became of next
	for d.done < end {
		select {
		case next = <-sent:
			sent, settled = nil, next.Done()
		case <-settled:
			silent.Reset(silence)
			impatient = nil
			if err := d.confirm(c, next.Acked()); err != nil {
				return err
			}
			sent, settled = w.sent, nil
		case p := <-w.ended:
			if w.over, end, err = true, p.n, p.err; errors.Is(err, amqp.ErrClosed) {
				return c.why()
			}
		case e := <-c.lost: // the library may wait for a write before it says more
			if e == nil {
				return c.why()
			}
			return e
		case <-tick.C:
			if err := d.tell(nil); err != nil {
				return err
			}
		case b := <-c.blocked:
			if c.note(b); c.alarm == "" {
				impatient = nil
			} else {
				impatient = d.impatience(impatient)
			}
			d.block(ctx, c.alarm)
		case <-silent.C:
			d.silent(ctx)
			silent.Reset(silence)
			impatient = d.impatience(impatient)
		case <-impatient:
			return d.waiting()
		case <-d.hold.Lost:
			return checkpoint.ErrLost
		case <-stopping:
			stopping, stopped = nil, time.After(grace)
		case <-stopped:
			return ctx.Err()
		}
	}
	return err
}

// confirm notes that the broker has taken the next message, or has refused it.
func (d *delivery) confirm(c *connection, taken bool) error {
	d.takeReturns(c)
	if !taken && !c.isOpen() { // the library settles all messages of a channel that ends
		return c.why()
	}
	switch {
	case !taken:
		m, err := d.at(d.done)
		if err != nil {
			return err
		}
		return refusedError{m.String()}
	case len(d.returned) > 0:
		m, err := d.at(d.done)
		if err != nil {
			return err
		}
		if key := keyOf(m); d.returned[key] {
			delete(d.returned, key)
			if d.Unroutable == Stop {
				return unroutable(d.to, d.route.Of(m, nil), m)
			}
			d.unroutable++
		}
	}
	d.done++
	return nil
}

// tell moves the checkpoint past what is done, unless another process may hold the consumer. It
// returns err, or why the checkpoint was not moved.
func (d *delivery) tell(err error) error {
	if d.done == d.told || d.broke || errors.Is(err, checkpoint.ErrLost) {
		return err
	}
	if failed := d.acknowledged(checkpoint.Acknowledged{Events: d.done, Unroutable: d.unroutable}); failed != nil {
		d.broke = true
		return failed
	}
	d.told, d.unroutable = d.done, 0
	if d.connection.alarm == "" { // otherwise what was confirmed was on its way before
		d.available()
	}
	return err
}

// block notes that the broker takes no messages because of an alarm, or takes them again.
func (d *delivery) block(ctx context.Context, alarm string) {
	if alarm == "" {
		d.available()
		return
	}
	d.away(d.waiting())
	d.Logger.Log(ctx, d.outage.Level(repeatInterval), "the broker takes no messages, waiting", "broker", d.to.String(), "reason", alarm, "message", d.next())
}

// impatience returns when to give up, given what it returned before, or nil: the retry timeout after
// the broker began to take nothing.
func (d *delivery) impatience(began <-chan time.Time) <-chan time.Time {
	if began != nil || d.Patience < 0 {
		return began
	}
	return time.After(d.Patience)
}

// waiting returns the error of a broker that is connected and takes nothing.
func (d *delivery) waiting() error {
	if alarm := d.connection.alarm; alarm != "" {
		return waitingError{d.next(), "the broker takes no messages at the moment: " + alarm + "; rabbitmq-diagnostics alarms tells which of its nodes"}
	}
	return waitingError{d.next(), errSilent.Error()}
}

// silent notes that the broker confirms nothing.
func (d *delivery) silent(ctx context.Context) {
	d.away(d.waiting())
	if d.connection.alarm != "" {
		return // which was told
	}
	d.Logger.Log(ctx, d.outage.Level(repeatInterval), "the broker confirms no messages, waiting", "broker", d.to.String(), "for", silence, "message", d.next())
}

// next names the next message that the broker has to confirm.
func (d *delivery) next() string {
	if d.done < d.n {
		if m, err := d.at(d.done); err == nil {
			return m.String()
		}
	}
	return "the next message"
}

// errSilent reports that the broker has confirmed nothing for the time of silence.
var errSilent = errors.New("the broker confirms no messages")
