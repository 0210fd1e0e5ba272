package seednats

import (
	"context"
	"slices"

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
	later, err := l.linksBefore(ctx, l.last, 1)
	if err != nil {
		return err
	}
	end, at, read := later[0].place, later[0], 0
	for at.sequence > first && l.last-at.sequence < windowMessages && read <= windowBytes && !at.marker {
		count := min(l.readAhead(), at.sequence-first)
		links, err := l.linksBefore(ctx, at.sequence-1, count)
		if err != nil {
			return err
		}
		for i := range links {
			if at.marker {
				return nil // it continues whatever is before it
			}
			earlier := &links[i]
			if earlier.missing && l.isDiscarded(ctx, earlier.sequence) {
				return nil
			}
			if !at.continues(earlier) {
				return l.lostEnd(end.Generation, "does not continue what was published: message %d, %s, does not follow message %d, %s", at.sequence, &at, earlier.sequence, earlier)
			}
			at = links[i]
			read += at.size
		}
	}
	return nil
}

// isDiscarded reports whether the stream has discarded a message by its limits, as others have published.
func (l *log) isDiscarded(ctx context.Context, sequence uint64) bool {
	info, err := l.conn.info(ctx, l.to.stream)
	return err == nil && sequence < info.State.FirstSeq
}

// readAhead returns how many messages may be asked for at once, so that the answers take at most about
// 16 MiB. The server says how large a message may be, and disconnects a client that is far behind.
func (l *log) readAhead() uint64 {
	largest := l.conn.nc.MaxPayload()
	if limit := int64(l.settings.MaxMsgSize); limit > 0 {
		largest = min(largest, limit)
	}
	return uint64(min(max(windowBytes*3/2/max(largest, 1), 1), maxReadAhead))
}

const maxReadAhead = 256

// link is a message in the chain of messages.
type link struct {
	mark
	before  string // the digest of the history before it
	marker  bool
	missing bool
	size    int // of its data, in bytes, and not more
}

// continues reports whether a message continues the one before it.
func (m *link) continues(earlier *link) bool {
	return !earlier.missing && m.place.Feed.ID == earlier.place.Feed.ID && m.place.Generation == earlier.place.Generation &&
		m.place.Position == earlier.place.Position+1 && m.before == earlier.place.Digest.String()
}

// String names the message in errors.
func (m *link) String() string {
	switch {
	case m.missing:
		return "which was deleted"
	case m.place.Feed.ID == "":
		return "which is not of eventfeed"
	}
	return m.place.String()
}

// linksBefore returns a number of messages, the last one first.
func (l *log) linksBefore(ctx context.Context, last, count uint64) (links []link, err error) {
	answers, err := l.conn.messages(ctx, l.to.stream, last-count+1, last)
	if err != nil {
		return nil, l.explain(err)
	}
	for i, a := range slices.Backward(answers) {
		m := link{mark: mark{sequence: last - count + 1 + uint64(i)}, size: a.size, missing: a.header == nil}
		if !m.missing {
			m.before, m.marker = attribute(a.header, broker.DigestBeforeAttribute), attribute(a.header, "type") == broker.MarkerType
			if place, err := placeOf(a.header); err == nil {
				m.place = place
			}
		}
		links = append(links, m)
	}
	return links, nil
}
