package fetch

import (
	"context"
	"errors"
)

// Room is the memory that may be used for a document.
type Room interface {
	// TryHold makes n the bytes that the document takes in all, and reports whether
	// there is room for them.
	TryHold(n int64) bool
	// Hold waits until there is.
	Hold(ctx context.Context, n int64) error
}

type roomKey struct{}

// WithRoom returns a context in which [Client.Get] asks for room before it takes
// memory: for the bytes that were read, those that are being read, and those that they
// decompress to. Where there is none it ends the request, so that no server waits, and
// sends it again once there is.
func WithRoom(ctx context.Context, r Room) context.Context {
	return context.WithValue(ctx, roomKey{}, r)
}

// fullError says that there is no room for this many bytes now.
type fullError struct{ needed int64 }

func (*fullError) Error() string { return "not enough memory" }

// hold takes room, if the context has one.
func hold(ctx context.Context, n int64) error {
	if r, ok := ctx.Value(roomKey{}).(Room); ok && !r.TryHold(n) {
		return &fullError{n}
	}
	return ctx.Err()
}

// waited reports whether err was that there is no room, and waits for that then. A
// document of unknown length may need more than it has asked for.
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

// Hold makes n the bytes that a document takes that was fetched under this context,
// once it is known what is kept of it. It waits for room if that is more than before.
func Hold(ctx context.Context, n int64) error {
	if r, ok := ctx.Value(roomKey{}).(Room); ok {
		return r.Hold(ctx, n)
	}
	return ctx.Err()
}
