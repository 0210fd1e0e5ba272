package execsink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/retry"
)

// ackedInterval is how often what was acknowledged is told on.
const ackedInterval = 200 * time.Millisecond

// errEnded says that the program has ended before everything was acknowledged.
var errEnded = errors.New("the program exited")

// delivery is one call of Deliver.
type delivery struct {
	*Program
	events []event.Delivered
	acked  func(n int) error

	next   int // no event before it is to be encoded
	done   int // that many are acknowledged without a gap
	told   int // that many were told on
	chunk  chunk
	outage retry.Outage // from the end of a program until another one acknowledges
}

// run hands the events to one program after the other, until all are
// acknowledged. A program that ended is started again while patience lasts.
func (d *delivery) run(ctx context.Context) error {
	var tries *retry.Tries // from the first end since there was progress
	for times, done := 1, 0; ; times++ {
		if err := d.attempt(ctx); !errors.Is(err, errEnded) {
			return err
		}
		if d.done > done || tries == nil {
			tries, done, times = retry.Begin(100*time.Millisecond, 5*time.Second), d.done, 1
		}
		how, hopeless := d.process.how(), d.process.cannotRun() && !d.ledger.acknowledged()
		d.process = nil
		if hopeless || d.Patience >= 0 && tries.Lasted() > d.Patience {
			return d.gaveUp(how, times)
		}
		wait := tries.Next()
		d.Logger.Log(ctx, d.outage.Level(0), "the program exited, restarting it", "how", how, "wait", wait.Round(time.Millisecond))
		select {
		case <-time.After(wait):
		case <-d.killed:
			return ErrKilled
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (d *delivery) gaveUp(how string, times int) error {
	e, often := &d.events[d.done], ""
	if times > 1 {
		often = fmt.Sprintf(", %d times in a row", times)
	}
	return fmt.Errorf("the program exited%s without acknowledging position %d of feed %s: %s", often, e.Position, d.ledger.name(e.FeedID), how)
}

// attempt hands the events to the program that runs, or else starts one. It
// returns errEnded if that has ended first, and is left in d.process then.
func (d *delivery) attempt(ctx context.Context) error {
	if err := d.begin(); err != nil {
		return err
	}
	tell, silence := time.NewTicker(ackedInterval), time.NewTimer(d.Silence)
	defer tell.Stop()
	defer silence.Stop()
	for {
		d.encode()
		chunks := d.process.chunks
		if d.chunk.empty() {
			chunks = nil // nothing to hand over
		}
		select {
		case chunks <- d.chunk:
			d.process.handed(d.chunk)
			d.chunk = chunk{}
		case <-d.ledger.changed:
			if d.count() {
				silence.Reset(d.Silence)
			}
			if err := d.ledger.failed(); err != nil {
				return d.fail(err)
			}
			if d.done == len(d.events) {
				return d.tell()
			}
		case <-tell.C:
			if err := d.tell(); err != nil {
				return err
			}
		case <-silence.C:
			d.warn()
		case <-d.killed:
			return d.fail(ErrKilled)
		case <-d.process.broken: // it has ended, or closed its standard input
			return d.ended()
		case <-d.process.ended:
			return d.ended()
		case <-ctx.Done():
			return d.fail(ctx.Err())
		}
	}
}

// begin makes sure that a program runs, and finds the first event for it.
func (d *delivery) begin() (err error) {
	if d.isKilled() {
		d.Close()
		return ErrKilled
	}
	if d.process != nil && d.process.hasEnded() {
		d.Logger.Info("the program exited while it had no events to apply, restarting it", "how", d.process.how())
		d.process = nil
	}
	if err := d.ledger.failed(); err != nil {
		return d.fail(err) // it said so meanwhile
	}
	if d.process == nil {
		d.ledger.restart()
		if d.process, err = start(d.Config, d.ledger, d.killed); err != nil {
			return fmt.Errorf("start the program: %w", err)
		}
	}
	d.count()
	d.next, d.chunk = d.done, chunk{}
	select {
	case d.ledger.changed <- struct{}{}: // so that what is acknowledged already is seen
	default:
	}
	return nil
}

// encode makes the next chunk, unless there is one.
func (d *delivery) encode() {
	if !d.chunk.empty() || d.next == len(d.events) {
		return
	}
	first := d.next
	buffer := d.process.buffer()
	for ; d.next < len(d.events) && len(buffer) < chunkBytes; d.next++ {
		if e := &d.events[d.next]; !d.ledger.isHanded(e) {
			buffer = append(cloudevents.AppendDeliveredJSON(buffer, e), '\n')
		}
	}
	d.chunk = chunk{events: d.events[first:d.next], lines: buffer}
}

// count counts the events that are acknowledged without a gap, and reports
// whether there are more.
func (d *delivery) count() bool {
	before := d.done
	for d.done < len(d.events) && d.ledger.isAcknowledged(&d.events[d.done]) {
		d.done++
	}
	if d.done == before {
		return false
	}
	if d.outage.Over() {
		d.Logger.Info("the program acknowledges again")
	}
	return true
}

// tell tells on how many events were acknowledged, if there are more.
func (d *delivery) tell() error {
	if d.done == d.told {
		return nil
	}
	d.told = d.done
	return d.acked(d.done)
}

// ended waits until a program that cannot be given anything any more has ended,
// and takes what it has acknowledged.
func (d *delivery) ended() error {
	d.process.stop(d.Grace)
	if d.isKilled() {
		return ErrKilled
	}
	d.count()
	if err := d.tell(); err != nil {
		return err
	}
	if err := d.ledger.failed(); err != nil {
		return err
	}
	if d.done == len(d.events) {
		return nil
	}
	return errEnded
}

// fail ends the program, takes what it has acknowledged, and returns why,
// unless that has turned out to be all.
func (d *delivery) fail(why error) error {
	d.Close()
	if d.isKilled() {
		return ErrKilled // whoever did that wants nothing more of it
	}
	d.count()
	err := d.tell()
	if err == nil && d.done == len(d.events) && d.ledger.failed() == nil {
		return nil
	}
	return errors.Join(why, err)
}

func (d *delivery) isKilled() bool {
	select {
	case <-d.killed:
		return true
	default:
		return false
	}
}

// warn says what is being waited for.
func (d *delivery) warn() {
	e := &d.events[d.done]
	d.Logger.Warn("the program acknowledges no events", "for", d.Silence, "feed", d.ledger.name(e.FeedID), "position", e.Position,
		"reads", d.chunk.empty())
}
