package boundedxml_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/boundedxml"
)

// read reads all tokens of a document.
func read(ctx context.Context, body string) error {
	d := boundedxml.NewDecoder(ctx, []byte(body), boundedxml.DefaultLimits)
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func declared(n int) (text string) {
	for i := range n {
		text += fmt.Sprintf(` xmlns:p%d="u"`, i)
	}
	return text
}

// TestXMLThatCostsMoreThanItSaysIsRefused: before a parser that recurses, or
// that copies what is declared, sees it.
func TestXMLThatCostsMoreThanItSaysIsRefused(t *testing.T) {
	t.Parallel()
	attributes := func(format string, n int) (text string) {
		for i := range n {
			text += fmt.Sprintf(format, i)
		}
		return text
	}
	nested := func(n int) string { return strings.Repeat("<a>", n) + strings.Repeat("</a>", n) }
	for name, test := range map[string]struct{ body, want string }{
		"plain":                {`<?xml version="1.0"?><feed><entry/></feed>`, ""},
		"a DOCTYPE of old":     {`<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" "http://my.netscape.com/rss-0.91.dtd"><rss/>`, ""},
		"a DOCTYPE of HTML":    {"<!doctype html><rss/>", ""},
		"HTML's entities":      {"<rss>&nbsp;&copy;</rss>", ""},
		"brackets in places":   {`<a b="<![CDATA[>=" c='"'><!-- a="<" --><![CDATA[<a a="]]>` + `<?a <b a=? ?></a>`, "unescaped < inside quoted string"},
		"brackets where right": {`<a b="]]>=" c='"'><!-- a="<" --><![CDATA[<a a="]]><?a <b a=? ?></a>`, ""},
		"deep enough":          {nested(256), ""},
		"siblings":             {"<a>" + strings.Repeat("<b></b><c/>", 5000) + "</a>", ""},
		"attributes enough":    {"<a" + attributes("\n   b%d = 'c' ", 256) + "/>", ""},
		"a text":               {"<a>" + strings.Repeat("x", 16<<20) + "</a>", ""},
		"a long text":          {"<a>" + strings.Repeat("x", 16<<20+1) + "</a>", "has a text, tag or comment of more than 16 MiB"},
		"a long attribute":     {"<a b='" + strings.Repeat("x", 16<<20) + "'/>", "has a text, tag or comment of more than 16 MiB"},
		"a long name":          {"<" + strings.Repeat("x", 16<<20) + "/>", "has a text, tag or comment of more than 16 MiB"},
		"a long comment":       {"<!--" + strings.Repeat("x", 16<<20) + "--><a/>", "has a text, tag or comment of more than 16 MiB"},
		"a long instruction":   {"<?a " + strings.Repeat("x", 16<<20) + "?><a/>", "has a text, tag or comment of more than 16 MiB"},
		"a long CDATA":         {"<a><![CDATA[" + strings.Repeat("x", 16<<20) + "]]></a>", "has a text, tag or comment of more than 16 MiB"},
		"too deep":             {nested(257), "has more than 256 elements inside one another"},
		"deep, never closed":   {strings.Repeat("<a>", 1_000_000), "has more than 256 elements inside one another"},
		"attributes":           {"<a" + strings.Repeat(` b="c"`, 257) + "/>", "element a has more than 256 attributes"},
		"many attributes":      {"<a" + strings.Repeat(` b="c"`, 1_000_000) + "/>", "a tag has more than 256 attributes"},
		"without spaces":       {"<a " + strings.Repeat(`b=""`, 1_000_000) + "/>", "a tag has more than 256 attributes"},
		"prefixes":             {"<a" + declared(200) + "><a" + declared(57) + "/></a>", "declares more than 256 namespaces at one place"},
		"prefixes of each":     {"<a>" + strings.Repeat("<a"+declared(200)+"/>", 9) + "</a>", ""},
		"entities":             {`<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>`, "has a DOCTYPE with declarations of its own"},
		"parameter entities":   {`<!DOCTYPE a [ %b; ]><a/>`, "has a DOCTYPE with declarations of its own"},
		"an entity alone":      {`<!ENTITY b "c"><a/>`, "has a DOCTYPE with declarations of its own"},
		"no XML":               {"<a", "unexpected EOF"},
		"a text that is long":  {strings.Repeat("x", 16<<20+1), "has a text, tag or comment of more than 16 MiB"},
	} {
		err := read(t.Context(), test.body)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// TestWhatTheParserTakesAlthoughItIsNotWellFormedIsRefused: with its line.
func TestWhatTheParserTakesAlthoughItIsNotWellFormedIsRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ body, want string }{
		"an attribute twice":          {"<a>\n<b c='1' d='2' c='3'/></a>", "line 2: element b has the attribute c twice"},
		"in one namespace":            {"<a xmlns:x='u' xmlns:y='u' x:b='1' y:b='2'/>", "line 1: element a has the attribute b twice"},
		"a namespace declared twice":  {"<a xmlns:x='u' xmlns:x='v'/>", "the attribute x twice"},
		"in two namespaces":           {"<a xmlns:x='u' xmlns:y='v' b='' x:b='1' y:b='2'/>", ""},
		"no space between attributes": {"<a\nb='1'c='2'/>", "line 2: element a has no white space between two attributes"},
		"quotes in attributes":        {`<a b = "' c='"` + "\n" + `c='"d"'/>`, ""},
		"a surrogate in a text":       {"<a>\n\n&#xD800;</a>", "line 3: a character reference is to U+D800, a surrogate"},
		"a surrogate in an attribute": {"<a b='&#xFFFD; &#57343;'/>", "U+DFFF, a surrogate"},
		"a pair of surrogates":        {"<a>&#xD83D;&#xDE00;</a>", "U+D83D, a surrogate"},
		"characters around them":      {"<a b='&#xD7FF;&#xE000;'>&#xFFFD;&#128512;&amp;#xD800;</a>", ""},
		"no reference at all":         {"<a><!-- &#xD800; --><![CDATA[&#xD800;]]></a>", ""},
		"a second DOCTYPE":            {"<!DOCTYPE a>\n<!-- -->\n<!DOCTYPE a><a/>", "line 3: there is a second DOCTYPE"},
		"a second DOCTYPE, as HTML":   {"<!doctype a><!DOCTYPE b><a/>", "there is a second DOCTYPE"},
		"an undeclared prefix":        {"<a><x:b x:c='1'/></a>", ""},
	} {
		err := read(t.Context(), test.body)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// TestDecoderHoldsOneToken: what it allocates is in proportion to the largest token, not
// to what it has refused.
func TestDecoderHoldsOneToken(t *testing.T) { //nolint:paralleltest // it measures what the process allocates
	for name, body := range map[string]string{
		"attributes": "<a" + strings.Repeat(` b=""`, 10<<20) + "/>",
		"text":       "<a>" + strings.Repeat("x", 64<<20) + "</a>",
		"never ends": "<a b='" + strings.Repeat("x", 64<<20),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := read(t.Context(), body)
		runtime.ReadMemStats(&after)
		var limit *boundedxml.LimitError
		if allocated := after.TotalAlloc - before.TotalAlloc; !errors.As(err, &limit) || allocated > 1<<20+uint64(len(body)) {
			t.Errorf("%s: %d bytes allocated, %v", name, allocated, err)
		}
	}
}

// TestDecoderEndsWithItsContext: wherever in a document it is.
func TestDecoderEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	d := boundedxml.NewDecoder(ctx, []byte("<a>"+strings.Repeat("<b/>", 1<<20)), boundedxml.DefaultLimits)
	for range 100 {
		if _, err := d.Token(); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	for range 1 << 12 { // as much as is buffered
		if _, err := d.Token(); err != nil {
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			return
		}
	}
	t.Error("goes on")
}
