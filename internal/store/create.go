package store

import (
	"cmp"
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// Create creates a feed. It uses Name, Title, Author, PageSize, PageBytes, Held and
// Entities of f. Title and Author default to the name, the sizes to the package's defaults. Create returns
// ErrFeedExists, wrapped, if the feed exists.
func (l *Log) Create(ctx context.Context, f Feed) (Feed, error) {
	f.Title, f.Author = cmp.Or(f.Title, f.Name), cmp.Or(f.Author, f.Name)
	f.PageSize, f.PageBytes = cmp.Or(f.PageSize, feed.DefaultPageSize), cmp.Or(f.PageBytes, feed.DefaultPageBytes)
	if err := f.Check(); err != nil {
		return Feed{}, err
	}
	f.ID = "urn:uuid:" + uuid.NewString()
	f.Digest = feed.FirstDigest(f.ID)
	f.Open = OpenPage{Number: 1, First: 1}
	f.modify()
	f.Epochs = []feed.Epoch{{ID: uuid.NewString(), FirstPosition: 1, FirstPage: 1, DigestBefore: f.Digest}}
	err := l.Write(ctx, commandWait, func(tx Tx) error { return tx.Create(ctx, &f) })
	if err != nil {
		return Feed{}, fmt.Errorf("create feed %s: %w", f.Name, err)
	}
	return l.Feed(ctx, f.Name)
}

// Open opens a held feed, so that its events get positions. It returns the feed. It does nothing
// if the feed is open.
func (l *Log) Open(ctx context.Context, name string) (Feed, error) {
	err := l.Write(ctx, commandWait, func(tx Tx) error {
		f, _, err := tx.Lock(ctx, name)
		if err != nil || !f.Held {
			return err
		}
		f.Held = false
		f.modify()
		return tx.Save(ctx, &f)
	})
	if err != nil {
		return Feed{}, fmt.Errorf("open feed %s: %w", name, err)
	}
	return l.Feed(ctx, name)
}

// Check returns an error if a field of a new feed is out of bounds.
func (f *Feed) Check() error {
	if err := CheckName(f.Name); err != nil {
		return err
	}
	if f.PageSize < 1 || f.PageSize > feed.MaxPageSize {
		return fmt.Errorf("page size %d: must be 1 to %d events", f.PageSize, feed.MaxPageSize)
	}
	if f.PageBytes < 1 || f.PageBytes > feed.MaxPageBytes {
		return fmt.Errorf("page bytes %d: must be 1 to %d", f.PageBytes, feed.MaxPageBytes)
	}
	if !feed.IsText(f.Title) || !feed.IsText(f.Author) {
		return fmt.Errorf("title %q, author %q: must be one line of text", f.Title, f.Author)
	}
	return nil
}

// CheckName returns an error if a feed cannot have this name, which is a segment of URLs.
func CheckName(name string) error {
	if !feed.ValidName(name) {
		return fmt.Errorf("feed name %.80q: must be 1 to 63 characters of a-z, 0-9, '.', '_' and '-', the first a letter or a digit, the end not .atom or .gz", name)
	}
	return nil
}
