package seednats

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventfeed/eventfeed/seed/broker"
)

// verifyChain returns a LostEndError if one of the stream's last messages does not continue the one
// before it.
//
// The sequence that a message expects says that the message before it has this number, not that it is
// the publisher's. If another one's message takes the place of the first message of a window, the server
// refuses this message and stores the second one: an event is missing before the end. So whoever reads
// the end reads the window before it, too.
func (l *log) verifyChain(ctx context.Context, first uint64) error {
	from := first
	if l.last > windowMessages {
		from = max(first, l.last-windowMessages)
	}
	later, err := l.linkAt(ctx, l.last)
	for to := l.last - 1; err == nil && to >= from && to > 0; to -= min(to, chainStep) {
		start := max(from, to-min(to, chainStep)+1)
		var links []link
		if links, err = l.links(ctx, start, to); err != nil {
			break
		}
		for i := len(links) - 1; i >= 0; i-- {
			if later.marker {
				return nil // it continues whatever is before it
			}
			if !later.continues(&links[i]) {
				return l.lostEnd("does not continue what was published: message %d, %s, does not follow message %d, %s", later.sequence, &later, links[i].sequence, &links[i])
			}
			later = links[i]
		}
	}
	return err
}

// chainStep is the number of messages that are read at once.
const chainStep = 256

// link is a message in the chain of messages.
type link struct {
	mark
	before string // the digest of the history before it
	marker bool
}

// continues reports whether a message continues an earlier one. What was between them may have been
// discarded.
func (m *link) continues(earlier *link) bool {
	if m.place.Feed.ID != earlier.place.Feed.ID || m.place.Generation != earlier.place.Generation {
		return false
	}
	if m.sequence == earlier.sequence+1 && m.before != earlier.place.Digest.String() {
		return false
	}
	return m.place.Position-earlier.place.Position == int64(m.sequence-earlier.sequence)
}

// String names the message in errors.
func (m *link) String() string {
	if m.place.Feed.ID == "" {
		return "which is not of eventfeed"
	}
	return m.place.String()
}

func newLink(sequence uint64, header nats.Header) link {
	l := link{mark: mark{sequence: sequence}, before: attribute(header, broker.DigestBeforeAttribute), marker: attribute(header, "type") == broker.MarkerType}
	if place, err := placeOf(header); err == nil {
		l.place = place
	}
	return l
}

func (l *log) linkAt(ctx context.Context, sequence uint64) (link, error) {
	found, err := l.links(ctx, sequence, sequence)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("message %d of %s was deleted while it was read", sequence, l.to.target())
	}
	if err != nil {
		return link{}, err
	}
	return found[0], nil
}

// links returns the messages from one sequence to another, at most chainStep, without those that are
// deleted.
func (l *log) links(ctx context.Context, from, to uint64) (found []link, err error) {
	answers, err := l.conn.messages(ctx, l.to.stream, from, to)
	if err != nil {
		return nil, l.explain(err)
	}
	for i, header := range answers {
		if header != nil {
			found = append(found, newLink(from+uint64(i), header))
		}
	}
	return found, nil
}

// readToken begins the last token of the subject of an answer to a request for a message.
const readToken = "read-"

// messages returns the headers of the messages from one sequence to another; nil for a message that is
// not there.
func (c *connection) messages(ctx context.Context, stream string, from, to uint64) ([]nats.Header, error) {
	headers := make([]nats.Header, to-from+1)
	for sequence := from; sequence <= to; sequence++ {
		body := fmt.Appendf(nil, `{"seq":%d}`, sequence)
		if err := c.nc.PublishRequest("$JS.API.STREAM.MSG.GET."+stream, c.prefix+readToken+strconv.FormatUint(sequence, 10), body); err != nil {
			return nil, err
		}
	}
	timer := time.NewTimer(c.answer)
	for left := len(headers); left > 0; {
		timer.Reset(c.answer)
		select {
		case msg := <-c.acks:
			sequence, err := strconv.ParseUint(strings.TrimPrefix(msg.Subject, c.prefix+readToken), 10, 64)
			if err != nil || sequence < from || sequence > to {
				continue // a late answer to a message, by another subscriber than the stream
			}
			left--
			if headers[sequence-from], err = headersOf(msg); err != nil {
				return nil, err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-c.alive.Done():
			return nil, context.Cause(c.alive)
		case <-timer.C:
			return nil, c.silent()
		}
	}
	return headers, nil
}

// headersOf returns the headers of the message in an answer; nil if there is no such message.
func headersOf(msg *nats.Msg) (nats.Header, error) {
	if msg.Header.Get("Status") == "503" {
		return nil, nats.ErrNoResponders
	}
	var answer struct {
		Message *stored             `json:"message"`
		Error   *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(msg.Data, &answer); err != nil {
		return nil, err
	}
	switch {
	case isMissing(answer.Error):
		return nil, nil
	case answer.Error != nil:
		return nil, answer.Error
	case answer.Message == nil:
		return nil, fmt.Errorf("an answer without a message: %.100s", msg.Data)
	case len(answer.Message.Headers) == 0:
		return nats.Header{}, nil
	}
	return nats.DecodeHeadersMsg(answer.Message.Headers)
}
