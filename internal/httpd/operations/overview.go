package operations

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/overview"
)

// Overview returns the handler of the operations page of a server: see [PageOf] for its forms, and
// [overview.Parameters] for its other parameters. now is the time of a report; nil means time.Now.
func Overview(sources func() overview.Sources, now func() time.Time) http.Handler {
	if now == nil {
		now = time.Now
	}
	return PageOf(overview.Parameters, func(_ context.Context, form Form, values url.Values) ([]byte, error) {
		query, err := overview.ParseQuery(values)
		if err != nil {
			return nil, BadRequest(err)
		}
		rows := overview.ShownRows
		if form == JSON {
			rows = overview.JSONRows
		}
		from := sources()
		if from.Live == nil {
			query.Feed, query.Reader = "", "" // nobody knows yet which there are
		}
		view, err := overview.Select(overview.Gather(from, now()), query, rows)
		if err != nil {
			return nil, BadRequest(err)
		}
		switch form {
		case HTML:
			return html.Operations(view)
		case JSON:
			text, err := json.MarshalIndent(view, "", "  ")
			return append(text, '\n'), err
		default:
			return overview.Text(view), nil
		}
	})
}
