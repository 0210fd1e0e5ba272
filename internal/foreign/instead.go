package foreign

import (
	"context"
	"errors"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// Instead opens a feed that could not be read as one of eventfeed's own, which
// err says. What is no feed at all is the same error still.
func Instead(ctx context.Context, config Config, err error) (*Reader, error) {
	if !errors.Is(err, feed.ErrNotOurs) && !errors.Is(err, feed.ErrDamaged) {
		return nil, err
	}
	r, theirErr := Open(ctx, config)
	if isLimit(theirErr) {
		return nil, theirErr
	}
	if _, flawed := errors.AsType[*flawedError](theirErr); errors.Is(theirErr, walk.ErrNotFeed) && !flawed {
		return nil, err
	}
	return r, theirErr
}
