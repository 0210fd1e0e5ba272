package site

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/eventfeed/eventfeed/internal/compress"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
)

// A batch of archives has at most batchArchives, and about batchBytes before compression.
var batchArchives = int64(64) // fewer in tests
const batchBytes = 16 << 20

// writer writes the documents of one step.
type writer struct {
	*Exporter
	head   *store.Head
	result *Result
}

func (w *writer) count(o *Object) {
	w.result.Written++
	w.result.Bytes += int64(len(o.Body))
}

// tell passes on how much is written.
func (w *writer) tell() {
	if w.Writing != nil {
		w.Writing(w.result)
	}
}

// archives writes the archives from a number on, while it reads the next ones.
func (w *writer) archives(ctx context.Context, from int64) error {
	batches := make(chan []Object)
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() error {
		defer close(batches)
		return w.read(ctx, from, func(batch []Object) error {
			select {
			case batches <- batch:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	})
	work.Go(func() error {
		for batch := range batches {
			if err := w.put(ctx, batch); err != nil {
				return err
			}
			w.tell()
		}
		return nil
	})
	return work.Wait()
}

// read reads archives from the log, and passes them on in batches.
func (w *writer) read(ctx context.Context, from int64, pass func([]Object) error) error {
	var batch []Object
	size := 0
	for number := from; number <= w.head.Feed.Archives; number++ {
		o, err := w.archive(ctx, number)
		if err != nil {
			return fmt.Errorf("archive %d: %w", number, err)
		}
		batch = append(batch, o)
		if size += len(o.Body); int64(len(batch)) == batchArchives || size >= batchBytes {
			if err := pass(batch); err != nil {
				return err
			}
			batch, size = nil, 0
		}
	}
	if len(batch) == 0 {
		return nil
	}
	return pass(batch)
}

// archive reads an archive. The newest one is in the head, so that it is of the same moment as the
// subscription document.
func (w *writer) archive(ctx context.Context, number int64) (Object, error) {
	f, d := w.head.Feed, w.head.Newest
	page := pageOf(f.Epochs, number)
	if number < f.Archives || d.Body == nil {
		var err error
		if _, d, err = w.Log.Archive(ctx, f.Name, page); err != nil {
			return Object{}, err
		}
	}
	body, err := compress.Unzstd(d.Body)
	kind := Final
	if d.Stage == store.Newest {
		kind = Newest
	}
	return Object{Key: archiveKey(f.Name, page), Kind: kind, Body: body}, err
}

func pageOf(epochs []feed.Epoch, number int64) feed.Page {
	return feed.Page{Epoch: feed.EpochOfPage(epochs, number), Number: number}
}

func archiveKey(name string, page feed.Page) string { return keyOf(feed.ArchivePath(name, page)) }

// put writes a batch. Where the site has an object, both are compared.
func (w *writer) put(ctx context.Context, batch []Object) error {
	refused, err := w.Store.Put(ctx, batch)
	if err != nil {
		return err
	}
	for i := range batch {
		w.count(&batch[i])
	}
	for _, i := range refused {
		w.result.Written--
		w.result.Bytes -= int64(len(batch[i].Body))
		if err := w.meet(ctx, &batch[i]); err != nil {
			return err
		}
	}
	return nil
}

// meet decides what becomes of an archive that the site has already.
func (w *writer) meet(ctx context.Context, o *Object) error {
	stored, err := w.Store.Get(ctx, o.Key)
	if errors.Is(err, ErrAbsent) {
		return errChanged
	}
	if err != nil || bytes.Equal(stored.Body, o.Body) {
		return err
	}
	theirs, err := feed.DecodeContext(ctx, stored.Body)
	if err != nil {
		return foreign("%s of the site is not a document of this feed: %w", o.Key, err)
	}
	ours, err := feed.DecodeContext(ctx, o.Body)
	if err != nil {
		return err
	}
	switch {
	case !samePage(theirs, ours):
		return foreign("%s of the site has other events than the log: positions %d to %d, digest %s, and the log has %d to %d, digest %s",
			o.Key, theirs.First, theirs.Last, theirs.DigestAfter, ours.First, ours.Last, ours.DigestAfter)
	case theirs.Next != nil && ours.Next == nil:
		return nil // another process has exported more
	case theirs.Next == nil && ours.Next != nil:
		return w.replace(ctx, *o, stored.Tag)
	default:
		return foreign("%s of the site differs from the log's, with the same events", o.Key)
	}
}

// samePage reports whether two archives have the same events at the same place of the same history.
func samePage(a, b *feed.Document) bool {
	return a.Kind == b.Kind && a.ID == b.ID && a.Epoch == b.Epoch && a.Page == b.Page && a.First == b.First && a.Last == b.Last &&
		a.DigestBefore == b.DigestBefore && a.DigestAfter == b.DigestAfter
}

// replace writes an object in place of the one with a tag.
func (w *writer) replace(ctx context.Context, o Object, tag string) error {
	o.Replaces = tag
	refused, err := w.Store.Put(ctx, []Object{o})
	if err == nil && len(refused) > 0 {
		return errChanged
	}
	if err == nil {
		w.count(&o)
	}
	return err
}

// resume returns the first archive to write, at least from: an export that was interrupted before its
// subscription document has left archives. Each batch is complete before the next one begins, so it goes
// back by one.
func (e *Exporter) resume(ctx context.Context, head *store.Head, from int64) (int64, error) {
	low, high := from, head.Feed.Archives+1 // before low all are there, from high on none, as far as is known
	for high-low > batchArchives {
		middle := low + (high-low)/2
		_, err := e.Store.Get(ctx, archiveKey(e.Feed, pageOf(head.Feed.Epochs, middle)))
		switch {
		case err == nil:
			low = middle
		case errors.Is(err, ErrAbsent):
			high = middle
		default:
			return 0, err
		}
	}
	if low == from {
		return from, nil
	}
	return max(from, low-batchArchives), nil
}
