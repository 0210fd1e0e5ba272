package server

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// form is one representation of a resource, RFC 9110 section 3.2.
type form struct {
	name      string   // value of ?format=, which overrides Accept
	mediaType string   // Content-Type
	also      []string // other media types in Accept that select it
	delta     bool     // available as a delta
	absolute  bool     // needs the server's absolute URL
	fixed     bool     // every release writes the same bytes for the same document

	// document writes a feed's document; base is the server's absolute URL.
	document func(d *feed.Document, base string) ([]byte, error)
}

// chooseForm returns the form that a request prefers; among equal ones the first. explicit is true
// if the URL names the form, so that the answer does not depend on Accept.
func chooseForm(r *http.Request, forms []*form) (chosen *form, explicit bool, err error) {
	if name := r.URL.Query().Get("format"); name != "" {
		for _, f := range forms {
			if f.name == name {
				return f, true, nil
			}
		}
		return nil, true, refuse(http.StatusNotFound, "there is no format "+quote(name)+" here; there is "+listOf(forms, func(f *form) string { return f.name }))
	}
	accept, best := weights(r.Header, "Accept"), 0.0
	for _, f := range forms {
		if q := f.weight(accept); q > best {
			chosen, best = f, q
		}
	}
	if best == 0 {
		return nil, false, refuse(http.StatusNotAcceptable, "nothing here is of a type that Accept allows; there is "+listOf(forms, func(f *form) string { return f.mediaType }))
	}
	return chosen, false, nil
}

// weight returns a client's weight of the form. The other media types count only if Accept names them in
// full; a range such as text/* selects only forms whose own type matches.
func (f *form) weight(accept []weighted) float64 {
	q := typeWeight(accept, f.mediaType)
	for _, a := range accept {
		if slices.Contains(f.also, a.value) {
			q = max(q, a.q)
		}
	}
	return q
}

func listOf(forms []*form, name func(*form) string) string {
	names := make([]string, len(forms))
	for i, f := range forms {
		names[i] = name(f)
	}
	return strings.Join(names, ", ")
}

// linkArchives links to the archives before and after a document, RFC 5005 section 4, in the same form,
// if the form itself cannot contain links.
func linkArchives(header http.Header, links []feed.Link, form *form) {
	if form != batchForm {
		return
	}
	for _, link := range links {
		if link.Rel == "prev-archive" || link.Rel == "next-archive" {
			header.Add("Link", "<"+link.Reference+"?format="+form.name+`>; rel="`+link.Rel+`"`)
		}
	}
}

// linkAlternates links to the other forms of a resource, RFC 8288. The references have a query and
// no path, so they are right below any path prefix. Of the request's query they keep only the
// parameters that name an event or an entity; with all of it, the header could become longer than proxies
// accept.
func linkAlternates(header http.Header, r *http.Request, forms []*form, chosen *form) {
	asked, query := r.URL.Query(), url.Values{}
	for _, name := range []string{"id", "source", "subject"} {
		if asked.Has(name) {
			query.Set(name, asked.Get(name))
		}
	}
	for _, f := range forms {
		if f != chosen {
			query.Set("format", f.name)
			header.Add("Link", "<?"+query.Encode()+`>; rel="alternate"; type="`+f.mediaType+`"`)
		}
	}
}
