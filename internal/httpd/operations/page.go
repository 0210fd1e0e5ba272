package operations

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/nearest"
)

// Form is one form of the page at the root of the private listener. Its text is the value
// of ?format=.
type Form string

// The forms of a page. Among forms that a client accepts equally, the first is the best.
const (
	Text Form = "text" // short, for curl
	HTML Form = "html"
	JSON Form = "json"
)

var forms = []struct {
	Form
	mediaType string
}{{Text, "text/plain"}, {HTML, "text/html"}, {JSON, "application/json"}}

// Page returns the handler of a page that render writes in each of the forms. The form is
// that of ?format=, or else the one that the client's Accept prefers: HTML for browsers,
// JSON if it asks for JSON, and text for all others. Any other parameter, or format, is
// answered with 400. An error of render is answered with 500 and its text.
func Page(render func(ctx context.Context, form Form) ([]byte, error)) http.Handler {
	return PageOf(nil, func(ctx context.Context, form Form, _ url.Values) ([]byte, error) { return render(ctx, form) })
}

// BadRequest returns an error of render that is answered with 400, with the text of another one.
func BadRequest(err error) error { return &badRequestError{err} }

type badRequestError struct{ error }

// PageOf is [Page] for a page that has more parameters than format.
func PageOf(parameters []string, render func(ctx context.Context, form Form, query url.Values) ([]byte, error)) http.Handler {
	parameters = append([]string{"format"}, parameters...)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		form, query, err := formOf(r, parameters)
		if err != nil {
			say(w, http.StatusBadRequest, err.Error())
			return
		}
		body, err := render(r.Context(), form, query)
		if _, is := errors.AsType[*badRequestError](err); is {
			say(w, http.StatusBadRequest, err.Error())
			return
		}
		if err != nil {
			say(w, http.StatusInternalServerError, err.Error())
			return
		}
		header := w.Header()
		header.Set("Cache-Control", "no-store")
		header.Set("Vary", "Accept")
		header.Set("X-Content-Type-Options", "nosniff")
		switch form {
		case HTML:
			html.SetHeaders(header.Set)
		case JSON:
			header.Set("Content-Type", "application/json")
		default:
			header.Set("Content-Type", "text/plain; charset=utf-8")
		}
		header.Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	})
}

func formOf(r *http.Request, parameters []string) (Form, url.Values, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return "", nil, fmt.Errorf("query %q: %w", r.URL.RawQuery, err)
	}
	for name := range query {
		if !slices.Contains(parameters, name) {
			return "", nil, fmt.Errorf("there is no parameter %q here, only %s%s", name, strings.Join(parameters, ", "), nearest.Question(name, parameters))
		}
	}
	if !query.Has("format") {
		return preferred(r.Header.Values("Accept")), query, nil
	}
	asked := query.Get("format")
	for _, f := range forms {
		if asked == string(f.Form) {
			return f.Form, query, nil
		}
	}
	return "", nil, fmt.Errorf("there is no format %q here; there is text, html and json", asked)
}

// preferred returns the form with the highest weight in the values of Accept, RFC 9110
// section 12.5.1; among equal ones the form that is named most exactly.
func preferred(accept []string) Form {
	chosen, best, exact := Text, 0.0, 0
	ranges := strings.Split(strings.Join(accept, ","), ",")
	for _, f := range forms {
		q, how := weight(ranges, f.mediaType)
		if q > best || q > 0 && q == best && how > exact {
			chosen, best, exact = f.Form, q, how
		}
	}
	return chosen
}

// weight returns the weight of a media type, from the most exact range that matches it, and
// how exact that is; 0 if none matches.
func weight(ranges []string, mediaType string) (q float64, exact int) {
	major, _, _ := strings.Cut(mediaType, "/")
	names := []string{"*/*", major + "/*", mediaType}
	for _, element := range ranges {
		name, parameters, err := mime.ParseMediaType(element)
		how := slices.Index(names, name) + 1
		if err != nil || how <= exact {
			continue
		}
		q, exact = 1, how
		if text, given := parameters["q"]; given {
			if q, err = strconv.ParseFloat(text, 64); err != nil || !(q >= 0 && q <= 1) {
				q = 0
			}
		}
	}
	return q, exact
}
