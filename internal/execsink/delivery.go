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

// ackedInterval is the minimum time between two calls of acked.
const ackedInterval = 200 * time.Millisecond

// errEnded reports that the program has exited before everything was acknowledged.
var errEnded = errors.New("the program exited")

// delivery is one call of Deliver.
type delivery struct {
	*Program
	events []event.Delivered
	acked  func(n int) error

	next   int // index of the next event to encode
	done   int // number of events that are acknowledged without a gap
	told   int // the number passed to acked
	chunk  chunk
	outage retry.Outage // from the exit of a program until another one acknowledges
}

// run delivers the events until all are acknowledged. It starts a program that exited again, until
// the retry timeout is over.
func (d *delivery) run(ctx context.Context) error {
	var tries *retry.Tries // since the first exit without progress
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

// attempt delivers the events to the running program, or starts one. It returns errEnded if the
// program exits first; d.process is that program then.
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
			chunks = nil // nothing to write
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
		case <-d.process.broken: // the program has exited, or closed its standard input
			return d.ended()
		case <-d.process.ended:
			return d.ended()
		case <-ctx.Done():
			return d.fail(ctx.Err())
		}
	}
}

// begin starts a program if none runs, and finds the first event for it.
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
		return d.fail(err) // the program has printed an invalid line since
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
	case d.ledger.changed <- struct{}{}: // so that earlier acknowledgements count
	default:
	}
	return nil
}

// encode encodes the next chunk, unless there is one.
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

// count updates the number of events that are acknowledged without a gap, and reports whether it
// has grown.
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

// tell calls acked if more events are acknowledged.
func (d *delivery) tell() error {
	if d.done == d.told {
		return nil
	}
	d.told = d.done
	return d.acked(d.done)
}

// ended waits until a program that reads no more has exited, and counts its acknowledgements.
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

// fail stops the program and counts its acknowledgements. It returns why, unless all events are
// acknowledged.
func (d *delivery) fail(why error) error {
	d.Close()
	if d.isKilled() {
		return ErrKilled // nothing that it did counts any more
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

// warn logs the event whose acknowledgement is missing.
func (d *delivery) warn() {
	e := &d.events[d.done]
	d.Logger.Warn("the program acknowledges no events", "for", d.Silence, "feed", d.ledger.name(e.FeedID), "position", e.Position,
		"reads", d.chunk.empty())
}
