package foreign

import (
	"context"
	"errors"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// Instead opens a feed that could not be read as one of eventfeed's own, which
// err says.
func Instead(ctx context.Context, config Config, err error) (*Reader, error) {
	if !errors.Is(err, feed.ErrNotOurs) && !errors.Is(err, feed.ErrDamaged) {
		return nil, err
	}
	r, theirErr := Open(ctx, config)
	if _, broken := errors.AsType[*malformedError](theirErr); broken && errors.Is(err, feed.ErrDamaged) || errors.Is(theirErr, errOurs) {
		return nil, err // which is what is wrong with the document, too
	}
	return r, theirErr
}
