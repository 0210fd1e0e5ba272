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

// Follower asks for what is new in a feed. It asks the server to hold its
// requests until there is something (RFC 7240 section 4.3) and to send no more
// than that (RFC 3229), and makes do with what servers and caches make of it.
//
// Whatever they do, a request that brings nothing new, and was not held for as
// long as it asked for, is followed by the next no earlier than Interval after it.
type Follower struct {
	Client   *Client
	URL      *url.URL
	Interval time.Duration
	Wait     time.Duration // that a request may be held; less than a second means not to ask for anything

	furthest extent    // that any head had
	live     bool      // the last answer is the server's own, of one that knows what it was asked for
	ready    time.Time // to ask again, where nothing new has come
	plain    time.Time // until then requests are plain ones, for the others are refused
}

// extent is how much of a history a head knows.
type extent struct {
	epochs         int
	last, archives int64
}

// grow reports whether a head knows more, and takes it over. A cache may hand
// out old documents among new ones, so only more than ever counts.
func (e *extent) grow(h *Subscription) bool {
	grown := extent{len(h.Epochs), h.Last, h.Archives}
	if grown.epochs < e.epochs || grown.epochs == e.epochs && grown.last <= e.last && grown.archives <= e.archives {
		return false
	}
	*e = grown
	return true
}

// Next returns the feed's next head, which may be partial: no more than what
// follows the one that the caller has used, after.
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

// ask asks once, and once more, plainly, if nothing good comes of asking for
// more: a proxy may cut a request that is held too long for it, and a server's
// delta may be wrong. Only what the plain request gives is an error.
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

// hold sends one request that may be held.
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
	if answer.Waits { // who was kept waiting need not wait again
		f.ready = asked.Add(min(f.Interval, wait))
	}
	return head, err
}

// wait is how long a request may be held without running into the time limits
// of the HTTP client, in whole seconds.
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
