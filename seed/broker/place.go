package broker

import (
	"fmt"
	"strconv"
)

// Feed identifies a feed.
type Feed struct {
	ID   string // urn:uuid:…
	Name string
}

// Place is a place in the publication of a feed: the event at a position, in a generation.
type Place struct {
	Feed       Feed
	Generation int64
	Epoch      string
	Position   int64
	Digest     Digest // of the feed's history up to the position
}

// String names the place in errors.
func (p Place) String() string {
	return fmt.Sprintf("position %d of feed %s in generation %d", p.Position, p.Feed.Name, p.Generation)
}

// ReadPlace returns the place of a message, given its CloudEvents attributes. attribute returns ""
// for an attribute that the message does not have. An error reports that eventfeed has not made
// the message.
func ReadPlace(attribute func(name string) string) (p Place, err error) {
	p.Feed, p.Epoch = Feed{ID: attribute(FeedIDAttribute), Name: attribute(FeedAttribute)}, attribute(EpochAttribute)
	if p.Feed.ID == "" {
		return p, fmt.Errorf("has no attribute %s", FeedIDAttribute)
	}
	if p.Generation, err = strconv.ParseInt(attribute(GenerationAttribute), 10, 64); err != nil {
		return p, fmt.Errorf("attribute %s: %w", GenerationAttribute, err)
	}
	if p.Position, err = strconv.ParseInt(attribute(PositionAttribute), 10, 64); err != nil {
		return p, fmt.Errorf("attribute %s: %w", PositionAttribute, err)
	}
	if p.Digest, err = ParseDigest(attribute(DigestAttribute)); err != nil {
		return p, fmt.Errorf("attribute %s: %w", DigestAttribute, err)
	}
	return p, nil
}
