package server_test

import (
	"context"
	"errors"

	"github.com/eventfeed/eventfeed/internal/store"
)

var errBroken = errors.New("the disk is on fire")

// broken is a database of which nothing but the feeds' rows can be read.
type broken struct{ store.Backend }

func (broken) Read(context.Context, func(store.Snapshot) error) error { return errBroken }
