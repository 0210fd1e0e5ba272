package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/compress"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// reader follows the feed until it has seen every event.
type reader struct {
	*measurement
	from  string
	ready func() // to be called once it follows
	idle  bool   // takes no events, only what it is sent
	count int
	last  int64 // position of the last event
}

// follower follows a feed until the reader is done.
type follower func(ctx context.Context, r *reader) error

func (r *reader) run(ctx context.Context, follow follower) error {
	err := follow(ctx, r)
	canceled := errors.Is(err, context.Canceled) // the idle ones are told so
	switch {
	case canceled && r.idle:
		return nil
	case canceled, err == nil && !r.done():
		return fmt.Errorf("saw %d events of %d", r.count, len(r.seen))
	default:
		return err
	}
}

// take notes when an event was in hand. Those of other runs, and those that
// come again in a whole document, do not count.
func (r *reader) take(e *event.Event, recorded time.Time, now time.Duration) error {
	if e.Source != r.source {
		return nil
	}
	n, err := strconv.Atoi(e.ID)
	if err != nil || n >= len(r.seen) {
		return fmt.Errorf("event %s was never written", e.ID)
	}
	if r.seen[n].inHand == 0 {
		r.seen[n] = sight{placed: recorded.Sub(r.start), inHand: now}
		r.count++
	}
	return nil
}

func (r *reader) done() bool { return !r.idle && r.count == len(r.seen) }

// get asks for a URL on a connection of the reader's own.
func get(ctx context.Context, client *http.Client, url string, header ...string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	return client.Do(request)
}

// wait asks for what is new behind what it has, and lets the server wait for
// it, as the seeder does.
func wait(ctx context.Context, r *reader) error {
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	for tag := ""; !r.done(); {
		var conditions []string
		if tag != "" {
			conditions = []string{"If-None-Match", tag, "A-IM", "feed", "Prefer", "wait=30"}
		}
		d, newTag, err := r.document(ctx, client, r.from, conditions...)
		if err != nil {
			return err
		}
		if newTag == "" {
			continue
		}
		if tag == "" {
			r.ready()
		} else if !r.idle {
			err = r.catchUp(ctx, client, d)
		}
		if err == nil && !r.idle {
			err = r.takeAll(d)
			r.last = d.Last
		}
		if err != nil {
			return err
		}
		tag = newTag
	}
	return nil
}

// document fetches a document, with its tag: none if the reader has it already.
func (r *reader) document(ctx context.Context, client *http.Client, url string, conditions ...string) (*feed.Document, string, error) {
	answer, err := get(ctx, client, url, append(conditions, "Accept", feed.ContentType, "Accept-Encoding", "zstd")...)
	if err != nil {
		return nil, "", err
	}
	body, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if err != nil {
		return nil, "", err
	}
	switch answer.StatusCode {
	case http.StatusNotModified:
		return nil, "", nil
	case http.StatusOK, http.StatusIMUsed:
	default:
		return nil, "", fmt.Errorf("%s: answered %s", url, answer.Status)
	}
	if r.idle {
		return nil, answer.Header.Get("ETag"), nil
	}
	if body, err = compress.Unzstd(body); err != nil {
		return nil, "", err
	}
	d, err := feed.Decode(body)
	return d, answer.Header.Get("ETag"), err
}

// catchUp takes what was archived while the reader was away.
func (r *reader) catchUp(ctx context.Context, client *http.Client, d *feed.Document) error {
	first := d.First
	for page := d.Archives; first > r.last+1; page-- {
		path := feed.ArchivePath(r.feed, feed.Page{Epoch: feed.EpochOfPage(d.Epochs, page), Number: page})
		archive, _, err := r.document(ctx, client, strings.TrimSuffix(r.from, feed.SubscriptionPath(r.feed))+path)
		if err != nil {
			return err
		}
		if err := r.takeAll(archive); err != nil {
			return err
		}
		first = archive.First
	}
	return nil
}

func (r *reader) takeAll(d *feed.Document) error {
	now := time.Since(r.start)
	for i := range d.Entries {
		if err := r.take(&d.Entries[i].Event, d.Entries[i].Recorded, now); err != nil {
			return err
		}
	}
	return nil
}

// stream takes server-sent events, as a browser does.
func stream(ctx context.Context, r *reader) error {
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	answer, err := get(ctx, client, r.from+"/stream", "Accept", "text/event-stream")
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %s", answer.Status)
	}
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 16<<20)
	for !r.done() && lines.Scan() {
		if bytes.HasPrefix(lines.Bytes(), []byte("retry:")) {
			r.ready()
		}
		data, isData := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		if !isData || r.idle {
			continue
		}
		e, err := cloudevents.ParseJSON(data)
		if err != nil {
			return err
		}
		recorded, err := cloudevents.ParseTime(e.Extensions["efrecorded"])
		if err != nil {
			return err
		}
		if err := r.take(&e, recorded, time.Since(r.start)); err != nil {
			return err
		}
	}
	return lines.Err()
}
