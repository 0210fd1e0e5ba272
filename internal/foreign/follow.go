package foreign

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/eventfeed/eventfeed/internal/retry"
)

// Next polls, with conditional requests, until the feed's own document has changed. The new
// document may contain nothing to apply. From now on the reader waits for a document that is
// missing or malformed.
func (r *Reader) Next(ctx context.Context) error {
	r.following = true
	for {
		if err := retry.Sleep(ctx, r.wait()); err != nil {
			return err
		}
		if isNew, err := r.Refresh(ctx); err != nil || isNew {
			return err
		}
	}
}

// maxWait is the maximum max-age that a follower honours.
const maxWait = time.Hour

// wait returns the time until the next poll.
func (r *Reader) wait() time.Duration {
	return max(r.Interval, min(freshFor(r.header.Values("Cache-Control"), r.header.Get("Age")), maxWait))
}

// freshFor returns how long an answer stays fresh, by its max-age (RFC 9111 section 5.2.2.1) and
// its Age; 0 if unknown.
func freshFor(cacheControl []string, age string) time.Duration {
	seconds := 0
	for directive := range strings.SplitSeq(strings.Join(cacheControl, ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch {
		case strings.EqualFold(name, "no-cache"), strings.EqualFold(name, "no-store"):
			return 0
		case strings.EqualFold(name, "max-age"):
			seconds, _ = strconv.Atoi(strings.Trim(value, `"`))
		}
	}
	passed, _ := strconv.Atoi(age)
	return time.Duration(max(0, min(seconds, int(maxWait/time.Second))-passed)) * time.Second
}

// conditions returns the header fields that make a request for the feed's document conditional.
func (r *Reader) conditions() (conditions []string) {
	if tag := r.header.Get("ETag"); tag != "" {
		conditions = append(conditions, "If-None-Match", tag)
	}
	if modified := r.header.Get("Last-Modified"); modified != "" {
		conditions = append(conditions, "If-Modified-Since", modified)
	}
	return conditions
}
