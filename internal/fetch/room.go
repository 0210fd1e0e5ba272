package fetch

import (
	"context"
	"errors"
)

// Room limits the memory for a document.
type Room interface {
	// TryHold reserves n bytes in total for the document. It returns false if there is no room.
	TryHold(n int64) bool
	// Hold reserves n bytes in total, and waits until there is room.
	Hold(ctx context.Context, n int64) error
}

type roomKey struct{}

// WithRoom returns a context in which [Client.Get] reserves room before it allocates memory: for
// the bytes read, the bytes being read, and their decompressed form. If there is no room, it
// cancels the request, so that no server waits, and repeats it when there is room.
func WithRoom(ctx context.Context, r Room) context.Context {
	return context.WithValue(ctx, roomKey{}, r)
}

// fullError reports that there is no room for this many bytes.
type fullError struct{ needed int64 }

func (*fullError) Error() string { return "not enough memory" }

// hold reserves n bytes in total in the context's Room, if it has one.
func hold(ctx context.Context, n int64) error {
	if r, ok := ctx.Value(roomKey{}).(Room); ok && !r.TryHold(n) {
		return &fullError{n}
	}
	return ctx.Err()
}

// waited reports whether err is a fullError; if so, it waits for room first. It reserves twice as
// much as was needed, because a document of unknown length may need more.
func waited(ctx context.Context, err error) (bool, error) {
	full, is := errors.AsType[*fullError](err)
	r, ok := ctx.Value(roomKey{}).(Room)
	if !is || !ok {
		return false, nil
	}
	if err := r.Hold(ctx, 0); err != nil {
		return true, err
	}
	return true, r.Hold(ctx, 2*full.needed)
}

// Hold reserves n bytes in total for a document that was fetched with this context, when its size
// in memory is known. It waits for room if n is more than before.
func Hold(ctx context.Context, n int64) error {
	if r, ok := ctx.Value(roomKey{}).(Room); ok {
		return r.Hold(ctx, n)
	}
	return ctx.Err()
}
