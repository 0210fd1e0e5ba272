package feed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/eventfeed/eventfeed/internal/cloudevents"
)

// MinEntries is how many of the newest entries the subscription document
// holds at least, if there are that many: a reader that only polls it misses
// less.
const MinEntries = 50

// Errors of documents that cannot be read; all are wrapped.
var (
	// ErrNotOurs says that a document is not of our profile: not XML, not Atom,
	// or without our elements.
	ErrNotOurs = errors.New("not an eventfeed document")
	// ErrDamaged says that a feed is no good XML, or ends too early.
	ErrDamaged = errors.New("document is damaged")
	// ErrTooNew says that a document is in a later format.
	ErrTooNew = errors.New("document is in a format that this program does not support; upgrade the program")
)

// maxSmall is up to which size documents are decoded at the same time, in bytes. What
// decoding a larger one takes besides, as much again, is taken once.
const maxSmall = 8 << 20

var large = make(chan struct{}, 1)

// Decode is [DecodeContext] without an end.
func Decode(body []byte) (*Document, error) {
	return DecodeContext(context.Background(), body) //nolint:contextcheck // as its name says
}

// DecodeContext decodes a subscription or archive document of eventfeed's profile. A document in
// canonical form is read by a scanner; any other, which a proxy has rewritten, by an XML parser. It
// checks each entry; [Document.Check] checks their order and the digests. It ends soon after ctx
// does.
//
// The document shares memory with body, which must not change afterwards; see
// [Document.Detach].
func DecodeContext(ctx context.Context, body []byte) (*Document, error) {
	if len(body) > maxSmall {
		select {
		case large <- struct{}{}:
			defer func() { <-large }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if !utf8.Valid(body) {
		return nil, fmt.Errorf("%w: not valid UTF-8", ErrNotOurs)
	}
	d, err := decodeCanonical(ctx, body)
	if errors.Is(err, errNotCanonical) {
		d, err = decodeXML(ctx, body)
	}
	if err != nil {
		return nil, err
	}
	if err := d.checkEntries(ctx); err != nil {
		return nil, err
	}
	return d, nil
}

// encodeBuffers hold what entries are encoded into for comparison.
// Larger ones are rare, and not kept.
var encodeBuffers = sync.Pool{New: func() any { return new([]byte) }}

const maxKeptBuffer = 4 << 20

// decodeCanonical accepts a document exactly if it is, to the byte, what the
// result encodes to. So no text can mean one thing to the scanner and another
// to an XML parser.
func decodeCanonical(ctx context.Context, body []byte) (*Document, error) {
	d, err := scanDocument(ctx, body)
	if err != nil {
		return nil, err
	}
	buffer := encodeBuffers.Get().(*[]byte)
	defer func() {
		if cap(*buffer) <= maxKeptBuffer {
			encodeBuffers.Put(buffer)
		}
	}()
	rest := body
	isNext := func() (is bool) {
		rest, is = bytes.CutPrefix(rest, *buffer)
		return is
	}
	*buffer = appendHeader((*buffer)[:0], d)
	same := isNext()
	for e := range d.Listed() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		*buffer = appendEntry((*buffer)[:0], e)
		if same = same && isNext(); !same {
			break
		}
	}
	if !same || string(rest) != documentEnd {
		return nil, fmt.Errorf("%w: an element is not where it belongs", errNotCanonical)
	}
	return d, nil
}

// checkProfile holds what is said of the feed and the page to its form.
func (d *Document) checkProfile() error {
	id, isURN := strings.CutPrefix(d.ID, "urn:uuid:")
	switch {
	case !isURN || !isUUID(id):
		return fmt.Errorf("feed id %q is no urn:uuid", d.ID)
	case !ValidName(d.Name):
		return fmt.Errorf("%q cannot be a feed's name", d.Name)
	case !IsText(d.Title) || !IsText(d.Author):
		return fmt.Errorf("title %q or author %q is not one line of text", d.Title, d.Author)
	case d.Page < 1 || d.Archives < 0 || d.First < 1:
		return fmt.Errorf("page %d, %d archives, first position %d", d.Page, d.Archives, d.First)
	case d.Kind == Subscription && !strings.Contains(d.Template, "{page}") || !IsText(d.Template):
		return fmt.Errorf("template %q names no archive", d.Template)
	}
	for _, e := range d.Epochs {
		if !isUUID(e.ID) {
			return fmt.Errorf("epoch %q is no UUID", e.ID)
		}
	}
	return nil
}

func (d *Document) checkEntries(ctx context.Context) error {
	if err := d.checkProfile(); err != nil {
		return fmt.Errorf("%w: %w", ErrNotOurs, err)
	}
	for i := range d.Entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		e := &d.Entries[i]
		if err := cloudevents.Complete(&e.Event); err != nil {
			return fmt.Errorf("position %d: %w", e.Position, err)
		}
		normal, err := cloudevents.Normal(e.Event)
		if err != nil {
			return fmt.Errorf("position %d: %w", e.Position, err)
		}
		e.Event = normal
	}
	return nil
}
