package server_test

import (
	"context"
	"errors"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
)

var errBroken = errors.New("the disk is on fire")

// broken is a database of which nothing but the feeds' rows can be read.
type broken struct{ store.Backend }

func (broken) Rows(context.Context, int64, int64, int64, func(*store.Row) error) error {
	return errBroken
}

func (broken) Find(context.Context, int64, string, string) ([]int64, error) { return nil, errBroken }

func (broken) Document(context.Context, int64, feed.Page) (store.Document, error) {
	return store.Document{}, errBroken
}
