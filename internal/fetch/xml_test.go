package fetch_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/fetch"
)

// TestXMLThatCostsMoreThanItSaysIsRefused: before a parser that recurses, or
// that copies what is declared, sees it.
func TestXMLThatCostsMoreThanItSaysIsRefused(t *testing.T) {
	t.Parallel()
	nested := func(n int) string { return strings.Repeat("<a>", n) + strings.Repeat("</a>", n) }
	declared := func(n int) (text string) {
		for i := range n {
			text += fmt.Sprintf(` xmlns:p%d="u"`, i)
		}
		return text
	}
	for name, test := range map[string]struct{ body, want string }{
		"plain":              {`<?xml version="1.0"?><feed><entry/></feed>`, ""},
		"Latin 1":            {"<?xml version='1.0' encoding='ISO-8859-1'?><rss><t>\xe9</t></rss>", ""},
		"a DOCTYPE of old":   {`<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" "http://my.netscape.com/rss-0.91.dtd"><rss/>`, ""},
		"HTML's entities":    {"<rss>&nbsp;&copy;</rss>", ""},
		"deep enough":        {nested(256), ""},
		"siblings":           {"<a>" + strings.Repeat("<b></b><c/>", 5000) + "</a>", ""},
		"too deep":           {nested(257), "has more than 256 elements inside one another"},
		"deep, never closed": {strings.Repeat("<a>", 1_000_000), "has more than 256 elements inside one another"},
		"attributes":         {"<a" + strings.Repeat(` b="c"`, 257) + "/>", "element a has more than 256 attributes"},
		"prefixes":           {"<a" + declared(200) + "><a" + declared(57) + "/></a>", "declares more than 256 namespaces at one place"},
		"prefixes of each":   {"<a>" + strings.Repeat("<a"+declared(200)+"/>", 9) + "</a>", ""},
		"entities":           {`<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>`, "has a DOCTYPE with declarations of its own"},
		"parameter entities": {`<!DOCTYPE a [ %b; ]><a/>`, "has a DOCTYPE with declarations of its own"},
		"an entity alone":    {`<!ENTITY b "c"><a/>`, "has a DOCTYPE with declarations of its own"},
		"no XML":             {"<a", "cannot be read as XML"},
		"a strange charset":  {"<?xml version='1.0' encoding='klingon'?><a/>", "cannot be read as XML"},
	} {
		err := fetch.CheckXML([]byte(test.body), fetch.DefaultXMLLimits)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}
