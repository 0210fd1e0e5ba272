package walk

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/retry"
)

// Follower polls a feed for new events. It asks the server for a long poll (RFC 7240
// section 4.3) and for a delta (RFC 3229), and also works with servers and caches that
// ignore these.
//
// If a request brings nothing new, and was not held for as long as it asked for, the next
// request starts at least Interval after it.
type Follower struct {
	Client   *Client
	URL      *url.URL
	Interval time.Duration
	Wait     time.Duration // length of a long poll; less than a second means no long polls

	furthest extent    // the largest extent of all documents
	live     bool      // the last answer came from a server that supports long polls or deltas
	ready    time.Time // the time of the next request, if nothing new has arrived
	plain    time.Time // until then requests are plain, because others were refused
}

// extent is how much of a history a subscription document shows.
type extent struct {
	epochs         int
	last, archives int64
}

// grow reports whether a document shows more than all before it, and stores its extent. A
// cache may return old documents among new ones, so only more than ever counts.
func (e *extent) grow(h *Subscription) bool {
	grown := extent{len(h.Epochs), h.Last, h.Archives}
	if grown.epochs < e.epochs || grown.epochs == e.epochs && grown.last <= e.last && grown.archives <= e.archives {
		return false
	}
	*e = grown
	return true
}

// Next returns the feed's next subscription document, which may be partial: only the events
// that follow the document after, which the caller has used.
func (f *Follower) Next(ctx context.Context, after *Subscription) (*Subscription, error) {
	grown := f.furthest.grow(after)
	for atOnce := grown && f.live; ; atOnce = false {
		if !atOnce {
			if err := retry.Sleep(ctx, time.Until(f.ready)); err != nil {
				return nil, err
			}
		}
		head, err := f.ask(ctx, after)
		if head != nil || err != nil {
			return head, err
		}
	}
}

// ask sends one request. If a long poll or a delta fails, it repeats it as a plain request,
// and only the error of the plain request counts: a proxy may cut a long poll that takes
// too long for it, and a server's delta may be wrong.
func (f *Follower) ask(ctx context.Context, after *Subscription) (*Subscription, error) {
	asked, wait := time.Now(), f.wait()
	if after.ETag == "" || wait <= 0 || asked.Before(f.plain) {
		head, err := f.Client.Subscription(ctx, f.URL, after.ETag, false)
		f.live, f.ready = false, time.Now().Add(f.Interval)
		return head, err
	}
	head, err := f.hold(ctx, after, wait)
	if err == nil || ctx.Err() != nil {
		return head, err
	}
	f.Client.Logger.Debug("a long poll failed, sending a plain request", "error", err, "after", time.Since(asked).Round(time.Millisecond))
	f.live, f.ready = false, asked.Add(f.Interval)
	if !fetch.MayPass(err) {
		f.plain = asked.Add(wait)
	}
	return f.Client.Subscription(ctx, f.URL, after.ETag, true)
}

// hold sends one long poll.
func (f *Follower) hold(ctx context.Context, after *Subscription, wait time.Duration) (*Subscription, error) {
	ctx, cancel := context.WithTimeout(ctx, wait+fetch.RequestTimeout)
	defer cancel()
	asked := time.Now()
	answer, err := f.Client.Try(ctx, f.URL,
		"If-None-Match", after.ETag,
		"A-IM", "feed",
		"Prefer", "wait="+strconv.Itoa(int(wait/time.Second)),
	)
	if err != nil {
		return nil, err
	}
	head, err := headOf(ctx, answer)
	if err == nil && head != nil && head.ID != after.ID && head.Partial {
		err = fmt.Errorf("%w: %s: a delta of feed %s was sent for feed %s", ErrMismatch, f.URL.Redacted(), head.ID, after.ID)
	}
	f.live = answer.Partial || answer.Waits
	f.ready = time.Now().Add(f.Interval)
	if answer.Waits { // the time of the long poll counts
		f.ready = asked.Add(min(f.Interval, wait))
	}
	return head, err
}

// wait returns the length of a long poll that does not exceed the timeouts of the HTTP
// client, in whole seconds.
func (f *Follower) wait() time.Duration {
	wait := f.Wait
	limits := []time.Duration{f.Client.HTTP.Timeout}
	if transport, ok := f.Client.HTTP.Transport.(*http.Transport); ok {
		limits = append(limits, transport.ResponseHeaderTimeout)
	}
	for _, limit := range limits {
		if limit > 0 {
			wait = min(wait, limit-min(limit/2, fetch.AnswerTimeout))
		}
	}
	return wait.Truncate(time.Second)
}
