//go:build unix

package foreign_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"

	"github.com/eventfeed/eventfeed/internal/testing/must"
)

var (
	utf8Text  = unicode.UTF8
	utf16LE   = unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	utf16BE   = unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	utf16Mark = unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
)

// RFC 7303 section 3: a byte order mark, then the charset of the Content-Type, then
// the declaration.
func TestTheEncodingIsWhatTheMarkElseTheHeaderElseTheDeclarationSays(t *testing.T) {
	t.Parallel()
	const russian, german = "Новая тема", "Größe"
	for name, test := range map[string]struct {
		header, declared string
		written          encoding.Encoding
		title            string
		warns            string // what the warning names; empty for none
		refused          string // what the error says; empty for none
	}{
		"nothing":                             {"text/xml", "", utf8Text, german, "", ""},
		"the declaration alone":               {"text/xml", "windows-1251", charmap.Windows1251, russian, "", ""},
		"the header alone":                    {"text/xml; charset=WINDOWS-1251", "", charmap.Windows1251, russian, "", ""},
		"both alike":                          {"text/xml;charset=cp1251", "windows-1251", charmap.Windows1251, russian, "", ""},
		"quoted":                              {`text/xml; charset="utf8"`, "UTF-8", utf8Text, german, "", ""},
		"an old declaration":                  {"text/xml; charset=utf-8", "windows-1251", utf8Text, russian, "its Content-Type says utf-8, its XML declaration says windows-1251: it is read as utf-8", ""},
		"an old declaration of UTF-16":        {"text/xml; charset=utf-8", "utf-16", utf8Text, german, "its XML declaration says utf-16", ""},
		"a default header that is wrong":      {"text/xml; charset=utf-8", "windows-1251", charmap.Windows1251, russian, "", "is not valid in its encoding (UTF-8), which is the charset of its Content-Type; its XML declaration says windows-1251, and one of them is wrong"},
		"a header that is wrong":              {"text/xml; charset=utf-8", "", charmap.ISO8859_1, german, "", "is not valid in its encoding (UTF-8), which is the charset of its Content-Type"},
		"the header before the declaration":   {"text/xml; charset=koi8-r", "windows-1251", charmap.KOI8R, russian, "its Content-Type says koi8-r, its XML declaration says windows-1251: it is read as koi8-r", ""},
		"Latin-1 by default, declared UTF-8":  {"text/xml; charset=ISO-8859-1", "utf-8", utf8Text, german, "its Content-Type says iso-8859-1, its XML declaration says utf-8: it is read as utf-8", ""},
		"Latin-1 by default, not declared":    {"text/xml; charset=ISO-8859-1", "", utf8Text, german, "its Content-Type says iso-8859-1: it is read as utf-8", ""},
		"Latin-1 rightly":                     {"text/xml; charset=ISO-8859-1", "", charmap.ISO8859_1, german, "", ""},
		"Latin-1 rightly, declared UTF-8":     {"text/xml; charset=ISO-8859-1", "utf-8", charmap.ISO8859_1, german, "it is read as iso-8859-1", ""},
		"US-ASCII by default, declared UTF-8": {"text/xml; charset=us-ascii", "utf-8", utf8Text, german, "its Content-Type says us-ascii", ""},
		"US-ASCII wrongly":                    {"text/xml; charset=us-ascii", "iso-8859-1", charmap.ISO8859_1, german, "", "is not valid in its encoding (us-ascii), which is the charset of its Content-Type"},
		"a mark before the header":            {"text/xml; charset=windows-1251", "", unicode.UTF8BOM, russian, "its byte order mark says utf-8, its Content-Type says windows-1251: it is read as utf-8", ""},
		"a mark before the declaration":       {"text/xml", "windows-1251", unicode.UTF8BOM, russian, "its byte order mark says utf-8, its XML declaration says windows-1251", ""},
		"UTF-16 with a mark":                  {"text/xml; charset=utf-16", "UTF-16", utf16Mark, russian, "", ""},
		"UTF-16 with a mark, another header":  {"text/xml; charset=utf-8", "UTF-16", utf16Mark, russian, "its byte order mark says utf-16le, its Content-Type says utf-8, its XML declaration says utf-16: it is read as utf-16le", ""},
		"UTF-16 without a mark":               {"text/xml", "utf-16", utf16BE, russian, "", ""},
		"UTF-16 by the header":                {"text/xml; charset=utf-16", "", utf16LE, russian, "", ""},
		"UTF-16 by the header, and is not":    {"text/xml; charset=utf-16", "", utf8Text, german, "its Content-Type says utf-16: it is read as utf-8", ""},
		"a header that nobody knows":          {"text/xml; charset=none", "windows-1251", charmap.Windows1251, russian, `the charset "none", which is not known: it is read as windows-1251`, ""},
		"a declaration that nobody knows":     {"text/xml; charset=windows-1251", "x-none", charmap.Windows1251, russian, "its XML declaration says x-none", ""},
		"nobody knows either":                 {"text/xml; charset=none", "x-none", utf8Text, german, "", `is in the encoding "x-none", which is not known`},
		"a header with mistakes":              {"text/xml; charset=windows-1251; charset=windows-1251", "", charmap.Windows1251, russian, "", ""},
		"Japanese":                            {"text/xml; charset=shift_jis", "", japanese.ShiftJIS, "新しい話題", "", ""},
		"UTF-8 in another declaration":        {"text/xml", "windows-1251", charmap.Windows1251, "GrГ¶Гџe", "it is read as windows-1251, which its XML declaration says; its text is valid UTF-8, too", ""},
		"UTF-8 in another header":             {"text/xml; charset=koi8-r", "", charmap.KOI8R, "Grц╤ц÷e", "it is read as koi8-r, which is the charset of its Content-Type; its text is valid UTF-8, too", ""},
		"UTF-8 in two others":                 {"text/xml; charset=koi8-r", "windows-1251", charmap.KOI8R, "Grц╤ц÷e", "its XML declaration says windows-1251: it is read as koi8-r; its text is valid UTF-8, too", ""},
		"ASCII in another header":             {"text/xml; charset=koi8-r", "", charmap.KOI8R, "size", "", ""},
		"GB18030 with U+FFFD":                 {"text/xml; charset=gb18030", "", simplifiedchinese.GB18030, "新\ufffd1题", "", ""},
		"GB18030 that is none":                {"text/xml", "gb18030", charmap.ISO8859_1, "a\u00ff\u00ffb", "", "is not valid in its encoding (gb18030), which its XML declaration says"},
		"GB18030 that is none, with U+FFFD":   {"text/xml", "gb18030", charmap.ISO8859_1, "\u00841\u00a47\u00ff", "", "is not valid in its encoding (gb18030)"},
		"UTF-32 with a mark":                  {"text/xml", "", utf32.UTF32(utf32.LittleEndian, utf32.UseBOM), german, "", "is in UTF-32 by its byte order mark, which is not supported"},
		"UTF-32 with a mark, big-endian":      {"text/xml", "", utf32.UTF32(utf32.BigEndian, utf32.UseBOM), german, "", "is in UTF-32 by its byte order mark, which is not supported"},
		"Japanese that is none":               {"text/xml; charset=euc-jp", "", japanese.ShiftJIS, "新しい話題", "", "is not valid in its encoding (euc-jp)"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			for _, format := range []string{
				`<rss version="2.0"><channel><title>t</title><link>/</link><description>d</description><item><guid>1</guid><title>%s</title></item></channel></rss>`,
				`<feed xmlns="http://www.w3.org/2005/Atom"><id>urn:x</id><title>t</title><entry><id>1</id><title>%s</title><updated>2026-01-01T00:00:00Z</updated></entry></feed>`,
			} {
				text := fmt.Sprintf(format, test.title)
				if test.declared != "" {
					text = fmt.Sprintf(`<?xml version="1.0" encoding="%s"?>`+"\n", test.declared) + text
				}
				body, err := test.written.NewEncoder().String(text)
				must.OK(t, err)
				web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", test.header)
					_, _ = w.Write([]byte(body))
				}))
				t.Cleanup(web.Close)
				s := &seeder{target: newSQLite(t), url: web.URL + "/feed.atom"}
				err = s.run(t)
				if test.refused != "" {
					if err == nil || !strings.Contains(err.Error(), test.refused) {
						t.Errorf("ended with %v", err)
					}
					continue
				}
				must.OK(t, err)
				if len(s.applied) != 1 || !strings.Contains(string(s.applied[0].Data), `"title":"`+test.title+`"`) {
					t.Errorf("applied %s", s.applied[0].Data)
				}
				if log := s.log.String(); strings.Contains(log, "is ambiguous") != (test.warns != "") || !strings.Contains(log, strings.ReplaceAll(test.warns, `"`, `\"`)) {
					t.Errorf("logged %s", log)
				}
			}
		})
	}
}
