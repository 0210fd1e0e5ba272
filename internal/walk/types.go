package walk

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/fetch"
)

// Types fetches the counts of a feed's types, in one request: the first ones, if there are very many.
// It returns nil without an error if the feed's server does not offer them.
func (c *Client) Types(ctx context.Context, h *Subscription) (*feed.TypesDocument, error) {
	if h.types == "" {
		return nil, nil
	}
	target, err := h.URL.Parse(h.types)
	if err == nil {
		err = c.CheckOrigin(target)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: link to the types of the feed: %w", h.URL.Redacted(), err)
	}
	answer, err := c.Get(ctx, target, "Accept", feed.TypesType)
	if fetch.IsMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	d := new(feed.TypesDocument)
	if err = json.Unmarshal(answer.Body, d); err == nil {
		err = checkTypes(d, h.ID)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrMismatch, answer.URL.Redacted(), err)
	}
	return d, nil
}

// checkTypes returns an error for counts that no feed has.
func checkTypes(d *feed.TypesDocument, id string) error {
	if d.ID != id {
		return fmt.Errorf("is of feed %.80q", d.ID)
	}
	if len(d.Types) > feed.MaxTypes {
		return fmt.Errorf("has %d types; the limit is %d", len(d.Types), feed.MaxTypes)
	}
	seen, events := make(map[feed.TypeKey]bool, len(d.Types)), int64(0)
	for _, t := range d.Types {
		_, err := cloudevents.Normal(event.Event{ID: "1", Source: "/", Type: t.Type, DataSchema: t.DataSchema})
		switch {
		case err != nil:
			return err
		case seen[t.TypeKey]:
			return fmt.Errorf("has type %q twice", t.Type)
		case t.First < 1 || t.Events < 1 || t.Last > d.Position || t.Events > t.Last-t.First+1:
			return fmt.Errorf("has %d events of type %q at positions %d to %d, up to position %d", t.Events, t.Type, t.First, t.Last, d.Position)
		}
		seen[t.TypeKey] = true
		events += t.Events
	}
	if events > d.Position || !d.More && events < d.Position {
		return fmt.Errorf("has %d events up to position %d", events, d.Position)
	}
	return nil
}

// ArchiveAt fetches the archive that contains a position: see [Client.Archive]. The position must be
// before the subscription document's first one.
func (c *Client) ArchiveAt(ctx context.Context, h *Subscription, position int64) (*feed.Document, error) {
	return c.archiveAt(ctx, h, position)
}
