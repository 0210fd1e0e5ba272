// Package html renders the pages for people: the list of feeds, a feed with its
// newest events, a part of a feed, what a search or a filter has found, an event, an error.
//
// What holds on every page:
//
//   - An event is not trusted. html/template escapes it; what turns the
//     direction of text is kept in a box of its own; only http and https become
//     links; and [SetHeaders] forbids the browser all but our own style and script.
//   - References are relative and begin at the server's root, so a page is right
//     below any path prefix and knows no host.
//   - Without JavaScript nothing is missing but new events coming in by themselves, and the button
//     that copies data.
package html

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"strings"
)

// ShownRows is the maximum number of rows in a list on a page.
const ShownRows = 50

// ContentType is the media type of the pages.
const ContentType = "text/html; charset=utf-8"

//go:embed assets
var assets embed.FS

// The style and the script stand inside the pages, which therefore need nothing
// else. The policy allows exactly them, by their digests.
var (
	style  = asset("style.css")
	script = asset("live.js")
	copier = asset("copy.js")
	policy = strings.Join([]string{
		"default-src 'none'",
		"style-src " + sourceHash(style),
		"script-src " + sourceHash(script) + " " + sourceHash(copier),
		"img-src data:", // the icon
		"connect-src 'self'",
		"base-uri 'none'",
		"form-action 'self'", // forms search: all use GET
		"frame-ancestors 'none'",
		"require-trusted-types-for 'script'",
		"trusted-types 'none'",
	}, "; ")
)

// SetHeaders calls set with each header field that a page needs to be safe, and
// with its media type.
func SetHeaders(set func(name, value string)) {
	set("Content-Type", ContentType)
	set("Content-Security-Policy", policy)
	set("X-Content-Type-Options", "nosniff")
	set("Referrer-Policy", "no-referrer")
	set("Cross-Origin-Opener-Policy", "same-origin")
}

func asset(name string) string {
	text, err := assets.ReadFile("assets/" + name)
	if err != nil {
		panic(err) // it is part of the program
	}
	return string(text)
}

// sourceHash is how a policy names inline text (CSP level 3, section 2.3.1).
func sourceHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// page is what the layout shows around a page's own content.
type page struct {
	Title      string
	Root       string // relative reference to the server's root, ends in a slash
	Crumbs     []link // from the list of feeds down to the page before this one
	Alternates []link // the same in other formats
	Live       bool   // the script is needed that shows new events
	Copy       bool   // the script is needed that copies data
	NoIndex    bool   // search engines leave the page out, and do not follow its links
	Content    any
}

// link is a reference with its text, and its media type if it is a format.
type link struct {
	Href, Text, Type string
}

// Style, Script and Icon go into the page to the byte: the policy names their digests.
func (page) Style() template.HTML { return template.HTML("<style>" + style + "</style>") }

// Script is the script that shows new events.
func (page) Script() template.HTML {
	return template.HTML("<script>" + script + "</script>")
}

// Copier is the script that copies an event's data.
func (page) Copier() template.HTML {
	return template.HTML("<script>" + copier + "</script>")
}

func parse(names ...string) *template.Template {
	t := template.New("layout.html").Funcs(template.FuncMap{
		"count": count, "stamp": stamp, "moment": moment, "machine": machineTime, "web": webAddress, "plain": plain, "clip": clip,
		"pieces": pieces, "clock": clock, "day": dayName, "isoDay": isoDay,
		"add": func(n, m int64) int64 { return n + m }, "figure": newFigure, "words": words, "errorLine": errorLine,
	})
	for _, name := range append([]string{"layout.html"}, names...) {
		template.Must(t.Parse(asset(name)))
	}
	return t
}

func render(t *template.Template, p page) ([]byte, error) {
	var b bytes.Buffer
	if err := t.Execute(&b, p); err != nil {
		return nil, fmt.Errorf("page %q: %w", p.Title, err)
	}
	return b.Bytes(), nil
}
