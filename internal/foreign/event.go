package foreign

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// defaultType is the type of an event whose entry has no category.
const defaultType = "entry"

// makeEvent maps an entry to an event of the feed with this id. fallback is the time of an entry
// without one.
func (v *version) makeEvent(feedID string, fallback time.Time) (err error) {
	r := &v.raw
	v.updated = (time.Time{}).UnixMicro()
	for _, t := range []time.Time{r.published, r.updated} { // the last one that is there
		if !t.IsZero() {
			v.updated, fallback = t.UnixMicro(), t
		}
	}
	if fallback.IsZero() {
		fallback = time.Now().UTC()
	}
	var made event.Event
	if len(r.item.ce) > 0 {
		made = r.described(feedID)
	} else if made, err = r.entryEvent(feedID); err != nil {
		return err
	}
	if made.Time.IsZero() {
		made.Time = fallback
	}
	v.key = r.key(&made)
	if v.event, err = cloudevents.Normal(made); err != nil {
		return fmt.Errorf("entry %.80q cannot be an event: %w", r.id, err)
	}
	return nil
}

// key returns the key that all versions of an entry share.
func (r *raw) key(e *event.Event) string {
	if r.id == "" {
		return e.ID
	}
	return fit(r.id, event.MaxID)
}

// entryEvent returns the event whose data is the entry.
func (r *raw) entryEvent(feedID string) (event.Event, error) {
	data, err := r.about.encode()
	if err != nil {
		return event.Event{}, err
	}
	id := r.id
	if id == "" { // RSS requires neither guid nor link
		id = "urn:uuid:" + uuid.NewSHA1(uuid.NameSpaceURL, data).String()
	}
	e := event.Event{
		ID: fit(id, event.MaxID), Source: asURI(feedID), Type: defaultType, Subject: fit(id, event.MaxAttribute),
		DataContentType: "application/json", Data: data,
	}
	if c := r.about.Categories; len(c) > 0 && c[0].Term != "" && isAttribute(c[0].Term) {
		e.Type = c[0].Term
	}
	return e, nil
}

func (a *about) encode() ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(a)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// described returns the event that an entry's elements in the namespace of CloudEvents describe, in
// eventfeed's format (docs/format.md).
func (r *raw) described(feedID string) event.Event {
	ce := r.item.ce
	e := event.Event{
		ID: ce["id"], Source: orElse(ce["source"], asURI(feedID)), Type: ce["type"], Subject: ce["subject"],
		Time: parseTime(ce["time"]), DataContentType: ce["datacontenttype"], DataSchema: ce["dataschema"],
		Extensions: r.item.more,
	}
	if e.ID == "" {
		e.ID = fit(trimUUID(r.id), event.MaxID)
	}
	if e.Time.IsZero() {
		e.Time = r.updated
	}
	if c := r.about.Categories; e.Type == "" && len(c) > 0 {
		e.Type = c[0].Term
	}
	e.Type = orElse(e.Type, defaultType)
	if data, isBase64 := fromBase64(r.item.content); isBase64 && r.about.ContentType == "application/octet-stream" {
		e.Data = data
	} else {
		e.Data = []byte(r.item.content)
	}
	return e
}

// trimUUID returns the UUID in a urn:uuid, which is the event's id.
func trimUUID(id string) string {
	const scheme = "urn:uuid:"
	if len(id) > len(scheme) && id[:len(scheme)] == scheme {
		return id[len(scheme):]
	}
	return id
}

// chained assigns positions after a place to events, and returns the digest at each.
func chained(chain *feed.Chain, picked []*version, now time.Time) ([]event.Placed, []feed.Digest) {
	events := make([]event.Placed, len(picked))
	digests := make([]feed.Digest, len(picked))
	var hash feed.Digest
	var buffer []byte
	for i, v := range picked {
		hash, buffer = feed.EventHash(&v.event, buffer)
		chain.Next(hash)
		events[i] = event.Placed{Event: v.event, Position: chain.Position, Recorded: now}
		digests[i] = chain.Digest
	}
	return events, digests
}
