package foreign

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
)

// The pages of a paged feed move: what is on one now is on the next one in a
// while, so that who gets them once more, from the last one on, misses what has
// moved meanwhile. They are therefore kept from the way back, in a file, and
// what was remembered of them is forgotten before the next look.

// newPages makes ready for another look.
func (r *Reader) newPages(ctx context.Context) (err error) {
	if err := r.memory.Forget(ctx); err != nil {
		return err
	}
	r.pages.close()
	r.pages, err = newSpool()
	return err
}

// hasNews reports whether a page has an entry that is not applied, or none at
// all. Entries are applied from the last page on, so if the first one has none
// that is not, no other has.
func (r *Reader) hasNews(ctx context.Context, page *document) (bool, error) {
	versions, known, err := r.knownOf(ctx, page)
	for _, v := range versions {
		if k, isKnown := known[v.Entry]; !isKnown || k.Pending || v.Updated > k.Latest {
			return true, err
		}
	}
	return len(versions) == 0, err
}

// spool keeps documents in a file that has no name.
type spool struct {
	file *os.File
	end  int64
	at   map[int64]kept // by the number of the page
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

// get returns a page that put has kept, as it came.
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
