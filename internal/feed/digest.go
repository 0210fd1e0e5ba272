package feed

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"sort"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
)

// Digest is a SHA-256 that stands for all of a feed's history up to a
// position: the same digest at a position means the same history up to there.
type Digest [sha256.Size]byte

// String returns the digest as 64 hexadecimal digits in lower case.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// ParseDigest reads what [Digest.String] writes.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	if len(s) != hex.EncodedLen(len(d)) {
		return d, fmt.Errorf("digest %q: must have %d hexadecimal digits", s, hex.EncodedLen(len(d)))
	}
	if _, err := hex.Decode(d[:], []byte(s)); err != nil {
		return d, fmt.Errorf("digest %q: %w", s, err)
	}
	return d, nil
}

// FirstDigest is digest(0) of the feed with this id (urn:uuid:…).
func FirstDigest(feedID string) Digest { return sha256.Sum256([]byte(feedID)) }

// EventHash is the SHA-256 of the event's normal form. The buffer is used for
// the form and returned for the next call, so that a run of events needs one.
func EventHash(e *event.Event, buffer []byte) (Digest, []byte) {
	buffer = cloudevents.AppendForm(buffer[:0], e)
	return sha256.Sum256(buffer), buffer
}

// Chain computes the digests of consecutive positions:
//
//	digest(p) = SHA-256(digest(p-1) || p as 8 bytes, big-endian || SHA-256(event))
//
// where at the first position of an epoch other than the first one
// SHA-256(digest(p-1) || epoch) takes the place of digest(p-1).
type Chain struct {
	Position int64 // of the last event
	Digest   Digest
	Epochs   []Epoch // oldest first
}

// Next goes on by one event, given its [EventHash].
func (c *Chain) Next(eventHash Digest) {
	c.Position++
	if len(c.Epochs) > 1 {
		for _, e := range beginning(c.Epochs[1:], c.Position) {
			c.Digest = sha256.Sum256(append(c.Digest[:], e.ID...))
		}
	}
	var link [2*sha256.Size + 8]byte
	copy(link[:], c.Digest[:])
	binary.BigEndian.PutUint64(link[sha256.Size:], uint64(c.Position))
	copy(link[sha256.Size+8:], eventHash[:])
	c.Digest = sha256.Sum256(link[:])
}

// Check reports the first inconsistency in the document: epochs
// that do not follow one another, a position that is not the next one, or a
// digest other than that of the entries, chained from DigestBefore. Without an
// error it sets Digests.
func (d *Document) Check() error {
	if err := d.checkEpochs(); err != nil {
		return err
	}
	digests := make([]Digest, 0, len(d.Entries))
	chain, err := d.chainTo(d.Last, func(digest Digest) { digests = append(digests, digest) })
	if err != nil {
		return err
	}
	if chain.Digest != d.DigestAfter {
		return fmt.Errorf("digest at position %d is %s, the document says %s", d.Last, chain.Digest, d.DigestAfter)
	}
	d.Digests = digests
	return nil
}

// DigestAt returns the digest at a position from First-1 to Last.
func (d *Document) DigestAt(position int64) (Digest, error) {
	switch i := position - d.First; {
	case position == d.Last:
		return d.DigestAfter, nil
	case i >= 0 && i < int64(len(d.Digests)):
		return d.Digests[i], nil
	}
	chain, err := d.chainTo(position, func(Digest) {})
	return chain.Digest, err
}

// chainTo chains the entries up to a position, and calls yield with the digest
// at each.
func (d *Document) chainTo(last int64, yield func(Digest)) (Chain, error) {
	chain := Chain{Position: d.First - 1, Digest: d.DigestBefore, Epochs: d.Epochs}
	if int64(len(d.Entries)) != d.Last-d.First+1 {
		return chain, fmt.Errorf("document has %d entries for positions %d to %d", len(d.Entries), d.First, d.Last)
	}
	var buffer []byte
	for i := range d.Entries {
		e := &d.Entries[i]
		if e.Position > last {
			break
		}
		if e.Position != chain.Position+1 {
			return chain, fmt.Errorf("position %d follows position %d", e.Position, chain.Position)
		}
		if err := chain.checkEpoch(); err != nil {
			return chain, err
		}
		var hash Digest
		hash, buffer = EventHash(&e.Event, buffer)
		chain.Next(hash)
		yield(chain.Digest)
	}
	err := chain.checkEpoch()
	return chain, err
}

// checkEpoch compares the digest with what is known of it where an epoch
// starts behind this position.
func (c *Chain) checkEpoch() error {
	for _, e := range beginning(c.Epochs, c.Position+1) {
		if e.DigestBefore != c.Digest {
			return fmt.Errorf("digest at position %d is %s, epoch %s says %s", c.Position, c.Digest, e.ID, e.DigestBefore)
		}
	}
	return nil
}

// beginning returns the epochs that begin at a position. Epochs are in the order of
// their first positions.
func beginning(epochs []Epoch, position int64) []Epoch {
	first := sort.Search(len(epochs), func(i int) bool { return epochs[i].FirstPosition >= position })
	after := first
	for after < len(epochs) && epochs[after].FirstPosition == position {
		after++
	}
	return epochs[first:after]
}

// checkEpochs holds the list of epochs to what it must be: it begins with the
// feed, never goes back, and the page belongs to the epoch of its number.
func (d *Document) checkEpochs() error {
	first := d.Epochs[0]
	if first.FirstPosition != 1 || first.FirstPage != 1 || first.DigestBefore != FirstDigest(d.ID) {
		return fmt.Errorf("epoch %s is not the beginning of feed %s", first.ID, d.ID)
	}
	for i := 1; i < len(d.Epochs); i++ {
		last, next := &d.Epochs[i-1], &d.Epochs[i]
		if next.FirstPosition < last.FirstPosition || next.FirstPage < last.FirstPage {
			return fmt.Errorf("epoch %s starts before epoch %s", next.ID, last.ID)
		}
	}
	if epoch := EpochOfPage(d.Epochs, d.Page); d.Epoch != epoch {
		return fmt.Errorf("page %d is of epoch %s, not %s", d.Page, epoch, d.Epoch)
	}
	return nil
}
