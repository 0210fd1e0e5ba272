package foreign

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
)

// The pages of a paged feed move: entries move from one page to the next, so fetching the pages
// again, from the last one on, would miss entries that have moved since. Look therefore keeps them
// in a file, and the next Look starts without what is stored about them.

// newPages prepares for another Look.
func (r *Reader) newPages(ctx context.Context) (err error) {
	if err := r.memory.Forget(ctx); err != nil {
		return err
	}
	r.pages.close()
	r.pages, err = newSpool()
	return err
}

// hasNews reports whether a page has an entry that is not applied, or no entries at all. Entries
// are applied from the last page on, so if all entries of a page are applied, so are those of all
// later pages.
func (r *Reader) hasNews(ctx context.Context, page *document) (bool, error) {
	versions, known, err := r.knownOf(ctx, page)
	for _, v := range versions {
		if k, isKnown := known[v.Entry]; !isKnown || k.Pending || v.Updated > k.Latest {
			return true, err
		}
	}
	return len(versions) == 0, err
}

// spool keeps documents in a file without a name.
type spool struct {
	file *os.File
	end  int64
	at   map[int64]kept // by page number
}

type kept struct {
	from, size int64
	url        *url.URL
	kind       string // Content-Type
}

func newSpool() (*spool, error) {
	file, err := os.CreateTemp("", "eventfeed-pages-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &spool{file: file, at: make(map[int64]kept)}, nil
}

func (s *spool) put(number int64, f *fetched) error {
	if _, err := s.file.WriteAt(f.body, s.end); err != nil {
		return err
	}
	s.at[number] = kept{s.end, int64(len(f.body)), f.url, f.kind}
	s.end += int64(len(f.body))
	return nil
}

// get returns a page that put has kept, as it was received.
func (s *spool) get(number int64) (*fetched, error) {
	where, ok := s.at[number]
	if !ok {
		return nil, fmt.Errorf("page %d was not kept", number)
	}
	f := &fetched{from: where.url, body: make([]byte, where.size), kind: where.kind}
	_, err := s.file.ReadAt(f.body, where.from)
	return f, err
}

func (s *spool) close() {
	if s != nil {
		_ = s.file.Close()
	}
}
