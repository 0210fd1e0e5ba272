package fetch

import (
	"context"
	"encoding/xml"
	"errors"
	"net/http"
	"slices"

	"github.com/eventfeed/eventfeed/internal/boundedxml"
)

// errCutOff reports that a document has no end.
var errCutOff = errors.New("the document ends too early, and the response does not say how long it is")

// isUnbounded reports whether only the end of the connection marks the end of an answer, so that an
// answer that was cut off looks complete (RFC 9112 section 8).
func isUnbounded(answer *http.Response) bool {
	return answer.ContentLength < 0 && len(answer.TransferEncoding) == 0 && answer.ProtoMajor == 1
}

// isCutOff reports whether a body begins as a feed and ends inside an element.
func isCutOff(ctx context.Context, body []byte) bool {
	decoder := boundedxml.NewDecoder(ctx, body, boundedxml.DefaultLimits)
	decoder.AnyEncoding()
	for isFeed := false; ; {
		token, err := decoder.Token()
		if err != nil {
			syntax, ok := errors.AsType[*xml.SyntaxError](err)
			return isFeed && ok && syntax.Msg == "unexpected EOF"
		}
		if start, ok := token.(xml.StartElement); ok && !isFeed {
			if isFeed = slices.Contains(roots, start.Name.Local); !isFeed {
				return false
			}
		}
	}
}

// roots are the names of the root elements of feeds.
var roots = []string{"feed", "rss", "RDF"}
