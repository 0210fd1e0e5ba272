package server

import (
	"context"
	"net/http"

	"golang.org/x/sync/semaphore"

	"github.com/eventfeed/eventfeed/event"
)

// room bounds the memory, in bytes, that work takes which is going on at once.
// Who finds no room waits.
type room struct {
	bytes int64
	free  *semaphore.Weighted
}

func newRoom(bytes int64) *room { return &room{bytes, semaphore.NewWeighted(bytes)} }

// enter waits until there is room for work that takes so many bytes, or for all
// there is if it takes more, and returns what ends the work. It returns an error
// where ctx ends first, or readTimeout is over.
func (r *room) enter(ctx context.Context, bytes int64) (leave func(), err error) {
	bytes = min(max(bytes, 1), r.bytes)
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	if err := r.free.Acquire(ctx, bytes); err != nil {
		return nil, refuse(http.StatusServiceUnavailable, "the server is overloaded at this moment; retry in a moment")
	}
	return func() { r.free.Release(bytes) }, nil
}

// copies is what making something of a document or an event takes, as a multiple of
// its size: its text, what is read of that, what is made of it, and that compressed.
const copies = 4

// What reading an archive or an event from the log takes, in bytes, as it is stored and
// as text: two of the largest are read at once.
const (
	archiveRoom = 2 * event.MaxSize
	eventRoom   = 2 * event.MaxSize
)
