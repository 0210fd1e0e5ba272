package server

import (
	"context"
	"net/http"

	"golang.org/x/sync/semaphore"

	"github.com/eventfeed/eventfeed/event"
)

// room limits the memory, in bytes, of concurrent work. Work without room waits.
type room struct {
	bytes int64
	free  *semaphore.Weighted
}

func newRoom(bytes int64) *room { return &room{bytes, semaphore.NewWeighted(bytes)} }

// enter waits until there is room for work that takes so many bytes; work that takes more than the
// room gets all of it. It returns a function that releases the room, or an error if ctx ends first
// or readTimeout is over.
func (r *room) enter(ctx context.Context, bytes int64) (leave func(), err error) {
	bytes = min(max(bytes, 1), r.bytes)
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	if err := r.free.Acquire(ctx, bytes); err != nil {
		return nil, refuse(http.StatusServiceUnavailable, "the server is overloaded at this moment; retry in a moment")
	}
	return func() { r.free.Release(bytes) }, nil
}

// copies is the memory for converting a document or an event, as a multiple of its size: its text,
// the decoded form, the result, and the compressed result.
const copies = 4

// The memory for reading an archive or an event from the log, in bytes, stored and as text. Two of
// the largest can be read at once.
const (
	archiveRoom = 2 * event.MaxSize
	eventRoom   = 2 * event.MaxSize
)
