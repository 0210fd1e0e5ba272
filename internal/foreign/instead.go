package foreign

import (
	"context"
	"errors"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// Instead opens a foreign feed. err is the error of reading it as one of eventfeed's own.
func Instead(ctx context.Context, config Config, err error) (*Reader, error) {
	if !errors.Is(err, feed.ErrNotOurs) && !errors.Is(err, feed.ErrDamaged) {
		return nil, err
	}
	r, theirErr := Open(ctx, config)
	if _, broken := errors.AsType[*malformedError](theirErr); broken && errors.Is(err, feed.ErrDamaged) || errors.Is(theirErr, errOurs) {
		return nil, err // the reason why the document is not a feed at all
	}
	return r, theirErr
}
