package store

import (
	"encoding/json"
	"fmt"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// ParseEpochs parses a feed's epochs in the form in which the databases aggregate them: a JSON
// array, oldest first, of objects with id, position, page and digest.
func ParseEpochs(text []byte) ([]feed.Epoch, error) {
	var rows []struct {
		ID       string
		Position int64
		Page     int64
		Digest   string
	}
	if err := json.Unmarshal(text, &rows); err != nil {
		return nil, fmt.Errorf("epochs: %w", err)
	}
	epochs := make([]feed.Epoch, len(rows))
	for i, r := range rows {
		digest, err := feed.ParseDigest(r.Digest)
		if err != nil {
			return nil, fmt.Errorf("epoch %s: %w", r.ID, err)
		}
		epochs[i] = feed.Epoch{ID: r.ID, FirstPosition: r.Position, FirstPage: r.Page, DigestBefore: digest}
	}
	return epochs, nil
}
