package feed

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"github.com/eventfeed/eventfeed/event"
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
	buffer = e.AppendForm(buffer[:0])
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
	for i := 1; i < len(c.Epochs); i++ {
		if c.Epochs[i].FirstPosition == c.Position {
			c.Digest = sha256.Sum256(append(c.Digest[:], c.Epochs[i].ID...))
		}
	}
	var link [2*sha256.Size + 8]byte
	copy(link[:], c.Digest[:])
	binary.BigEndian.PutUint64(link[sha256.Size:], uint64(c.Position))
	copy(link[sha256.Size+8:], eventHash[:])
	c.Digest = sha256.Sum256(link[:])
}

// Check recomputes the digests of the document's entries from DigestBefore
// and reports the first thing that does not add up: a position that is not
// the next one, or a digest at the end other than DigestAfter.
func (d *Document) Check() error {
	chain, err := d.chainTo(d.Last)
	if err != nil {
		return err
	}
	if chain.Digest != d.DigestAfter {
		return fmt.Errorf("digest at position %d is %s, the document says %s", d.Last, chain.Digest, d.DigestAfter)
	}
	return nil
}

// DigestAt returns the digest at a position from First-1 to Last.
func (d *Document) DigestAt(position int64) (Digest, error) {
	if position == d.Last {
		return d.DigestAfter, nil
	}
	chain, err := d.chainTo(position)
	return chain.Digest, err
}

func (d *Document) chainTo(last int64) (Chain, error) {
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
		var hash Digest
		hash, buffer = EventHash(&e.Event, buffer)
		chain.Next(hash)
	}
	return chain, nil
}
