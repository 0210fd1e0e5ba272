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
	name      string   // of ?format=, which asks for it whatever Accept says
	mediaType string   // Content-Type
	also      []string // other media types that ask for it
	delta     bool     // can be had as just what is new
	absolute  bool     // needs the server's absolute URL
	fixed     bool     // the same document gives the same bytes with every release

	// document writes a feed's document; base is the server's absolute URL.
	document func(d *feed.Document, base string) ([]byte, error)
}

// chooseForm returns the form that a request asks for; of those that it wants
// alike the first. Explicit says that the URL asks for it, so that the answer
// does not hang on Accept.
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

// weight is how much a client wants the form. The other types count where it
// names them: by a range such as text/* it asks for what is of that type.
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

// linkArchives leads on to the archives around a document, RFC 5005 section 4, in
// the same form, where the document itself has no room for links.
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

// linkAlternates announces the other forms of a resource, RFC 8288. The
// reference has a query and no path, so it is right wherever the server is
// mounted. Of the request's own query it has what names an event: all else
// would make a header longer than proxies take.
func linkAlternates(header http.Header, r *http.Request, forms []*form, chosen *form) {
	asked, query := r.URL.Query(), url.Values{}
	for _, name := range []string{"id", "source"} {
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
