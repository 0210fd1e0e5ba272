package foreign

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"mime"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
)

// The encoding of a document is that of its byte order mark; without one, the charset of its
// Content-Type; without that, the encoding in its XML declaration (RFC 7303 section 3); and
// otherwise UTF-8.
//
// There is one exception. Many servers send a default charset, such as ISO-8859-1, with everything,
// and nearly any bytes are valid in it. A document that declares UTF-8, and is valid UTF-8, is read
// as UTF-8: reading it in the server's charset would change its text without an error.

// declaration is an XML declaration, with the encoding that it names.
var declaration = regexp.MustCompile(`^<\?xml\s[^>]*?(?:encoding\s*=\s*["']([A-Za-z0-9._:-]+)["'][^>]*)?\?>`)

// marks are the byte order marks, XML 1.0 appendix F.
var marks = []struct {
	label string
	bytes []byte
}{
	{"utf-8", []byte{0xef, 0xbb, 0xbf}},
	{"utf-16be", []byte{0xfe, 0xff}},
	{"utf-16le", []byte{0xff, 0xfe}},
}

// labels are the names of a document's encoding.
type labels struct {
	mark, header, declared string // in lower case; empty if missing
}

// toUTF8 returns a document in UTF-8, without byte order mark and XML declaration, because a parser
// would apply the declared encoding again. doubt is the text of a warning: the header and the
// document name different encodings, or another encoding than UTF-8 for valid UTF-8.
func toUTF8(body []byte, contentType string) (text []byte, doubt string, err error) {
	if bytes.HasPrefix(body, []byte{0xff, 0xfe, 0, 0}) || bytes.HasPrefix(body, []byte{0, 0, 0xfe, 0xff}) {
		return nil, "", errors.New("is in UTF-32 by its byte order mark, which is not supported: its publisher has to write it in UTF-8")
	}
	said, body := labelsOf(body, contentType)
	label, from, doubt := said.choose(body)
	text, err = decode(body, label)
	if err != nil {
		return nil, "", fmt.Errorf("%w%s", err, said.source(from))
	}
	if looksUTF8(body, label) {
		doubt = orElse(doubt, fmt.Sprintf("it is read as %s%s", label, said.source(from))) + "; its text is valid UTF-8, too"
	}
	text = bytes.TrimLeft(bytes.TrimPrefix(text, marks[0].bytes), " \t\r\n")
	if found := declaration.FindIndex(text[:min(len(text), 1024)]); found != nil {
		text = text[found[1]:]
	}
	return text, doubt, nil
}

// labelsOf returns the names of a document's encoding, and the document without a byte order mark.
func labelsOf(body []byte, contentType string) (said labels, rest []byte) {
	for _, mark := range marks {
		if bytes.HasPrefix(body, mark.bytes) {
			said.mark, body = mark.label, body[len(mark.bytes):]
			break
		}
	}
	said.header = charsetOf(contentType)
	start := body[:min(len(body), 2048)]
	if wide := wideness(said.mark, start); wide != "" { // appendix F: a declaration can be recognized
		start = toNarrow(start, wide)
	}
	if found := declaration.FindSubmatch(bytes.TrimLeft(start, " \t\r\n")); found != nil {
		said.declared = strings.ToLower(string(found[1]))
	}
	return said, body
}

// charsetOf returns the charset of a Content-Type.
func charsetOf(contentType string) string {
	_, parameters, err := mime.ParseMediaType(contentType)
	if err != nil { // for example "text/xml; charset=utf-8; charset=utf-8"
		_, after, _ := strings.Cut(strings.ToLower(contentType), "charset=")
		after, _, _ = strings.Cut(after, ";")
		return strings.Trim(after, " \t\"'")
	}
	return strings.ToLower(strings.TrimSpace(parameters["charset"]))
}

// wideness returns the UTF-16 encoding of a text without a byte order mark; empty if it is not UTF-16.
func wideness(mark string, start []byte) string {
	switch {
	case strings.HasPrefix(mark, "utf-16"):
		return mark
	case mark == "" && bytes.HasPrefix(start, []byte{0, '<'}):
		return "utf-16be"
	case mark == "" && bytes.HasPrefix(start, []byte{'<', 0}):
		return "utf-16le"
	}
	return ""
}

// toNarrow returns the ASCII characters of a text in UTF-16.
func toNarrow(start []byte, wide string) (narrow []byte) {
	for ; len(start) >= 2; start = start[2:] {
		if unit := unitOf(start, wide); unit < utf8.RuneSelf {
			narrow = append(narrow, byte(unit))
		}
	}
	return narrow
}

func unitOf(b []byte, wide string) uint16 {
	if wide == "utf-16le" {
		return binary.LittleEndian.Uint16(b)
	}
	return binary.BigEndian.Uint16(b)
}

// choose returns the encoding of a document, and which of the labels names it.
func (s *labels) choose(body []byte) (label, from, doubt string) {
	wide := wideness(s.mark, body)
	declared := s.declared
	switch {
	case strings.HasPrefix(declared, "utf-16") && wide == "" || declared == "" && wide == "":
		declared = "utf-8" // the default; and of a declaration of UTF-16 in letters of one byte, which was left in a document that was converted
	case wide != "":
		declared = wide
	}
	switch {
	case s.mark != "":
		label, from = s.mark, "mark"
	case s.header == "":
		return declared, "declaration", ""
	case !isKnown(s.header):
		return declared, "declaration", fmt.Sprintf("its Content-Type has the charset %q, which is not known: it is read as %s", s.header, declared)
	case s.isBlind(declared, body):
		label, from = "utf-8", "declaration"
	case strings.HasPrefix(s.header, "utf-16") && wide != "":
		label, from = wide, "header"
	default:
		label, from = s.header, "header"
	}
	return label, from, s.disagreement(label)
}

// isBlind reports whether the charset of the header is a server's default that does not apply: the
// document declares UTF-8, and is valid UTF-8.
func (s *labels) isBlind(declared string, body []byte) bool {
	if canonical(s.header) == "utf-8" || canonical(declared) != "utf-8" || !utf8.Valid(body) {
		return false
	}
	return s.declared != "" || canonical(s.header) == "windows-1252" || strings.HasPrefix(s.header, "utf-16")
}

// disagreement returns the text of a warning if two labels name different encodings.
func (s *labels) disagreement(label string) string {
	others := []struct{ who, label string }{{"its byte order mark", s.mark}, {"its Content-Type", s.header}, {"its XML declaration", s.declared}}
	var said []string
	differ := false
	for _, o := range others {
		if o.label != "" {
			said = append(said, fmt.Sprintf("%s says %s", o.who, o.label))
			differ = differ || !agree(o.label, label)
		}
	}
	if !differ {
		return ""
	}
	return fmt.Sprintf("%s: it is read as %s", strings.Join(said, ", "), label)
}

// agree reports whether two names may mean the same encoding. UTF-16 may mean either byte order.
func agree(a, b string) bool {
	a, b = canonical(a), canonical(b)
	return a == b || strings.HasPrefix(a, "utf-16") && strings.HasPrefix(b, "utf-16")
}

// canonical returns the WHATWG's name of an encoding, which is the same for all aliases.
func canonical(label string) string {
	if _, name := charset.Lookup(label); name != "" {
		return name
	}
	return label
}

// isKnown reports whether an encoding is supported.
func isKnown(label string) bool {
	e, _ := charset.Lookup(label)
	return e != nil && e != encoding.Replacement
}

// isASCII reports whether a label means US-ASCII, which the WHATWG treats as windows-1252.
func isASCII(label string) bool {
	switch label {
	case "us-ascii", "ascii", "ansi_x3.4-1968", "iso-ir-6", "iso646-us":
		return true
	}
	return false
}

// looksUTF8 reports whether a text that is read in another encoding is valid UTF-8 with more than
// ASCII, which texts in other encodings hardly ever are.
func looksUTF8(body []byte, label string) bool {
	onlyASCII := !bytes.ContainsFunc(body, func(r rune) bool { return r >= utf8.RuneSelf })
	return !strings.HasPrefix(canonical(label), "utf-") && !onlyASCII && utf8.Valid(body)
}

// decode returns a text in UTF-8.
func decode(body []byte, label string) ([]byte, error) {
	e, name := charset.Lookup(label)
	switch {
	case !isKnown(label):
		return nil, fmt.Errorf("is in the encoding %q, which is not known", label)
	case name == "utf-8":
		if !utf8.Valid(body) {
			return nil, fmt.Errorf("is not valid in its encoding (%s)", strings.ToUpper(label))
		}
		return body, nil
	case strings.HasPrefix(name, "utf-16") && !isUTF16(body, name),
		isASCII(label) && bytes.ContainsFunc(body, func(r rune) bool { return r >= utf8.RuneSelf }):
		return nil, fmt.Errorf("is not valid in its encoding (%s)", label)
	}
	text, err := e.NewDecoder().Bytes(body)
	if err != nil || !strings.HasPrefix(name, "utf-16") && bytes.Count(text, []byte(string(utf8.RuneError))) != replacements(body, name) {
		return nil, fmt.Errorf("is not valid in its encoding (%s)", label)
	}
	return text, nil
}

// replacements returns how often a text itself contains U+FFFD, which does not stand for invalid
// bytes. Of the supported encodings only GB18030 contains that character.
func replacements(body []byte, name string) (n int) {
	for name == "gb18030" && len(body) > 0 {
		size := 1
		switch {
		case body[0] <= 0x80 || len(body) == 1:
		case body[1] >= '0' && body[1] <= '9':
			size = 4
		default:
			size = 2
		}
		if bytes.HasPrefix(body, []byte{0x84, 0x31, 0xa4, 0x37}) {
			n++
		}
		body = body[min(size, len(body)):]
	}
	return n
}

// isUTF16 reports whether a text is valid UTF-16: complete, and without unpaired surrogates.
func isUTF16(body []byte, label string) bool {
	high := false
	for ; len(body) >= 2; body = body[2:] {
		unit := rune(unitOf(body, label))
		isLow := unit >= 0xdc00 && unit < 0xe000
		if high != isLow {
			return false
		}
		high = utf16.IsSurrogate(unit) && !isLow
	}
	return !high && len(body) == 0
}

// source describes, for an error, which label named the encoding.
func (s *labels) source(from string) string {
	switch {
	case from == "header" && s.declared != "" && !agree(s.header, s.declared):
		return fmt.Sprintf(", which is the charset of its Content-Type; its XML declaration says %s, and one of them is wrong", s.declared)
	case from == "header":
		return ", which is the charset of its Content-Type"
	case from == "declaration" && s.declared != "":
		return ", which its XML declaration says"
	case from == "mark":
		return ", which its byte order mark says"
	}
	return ""
}

// warnCharset warns about a document whose labels disagree about its encoding.
func (r *Reader) warnCharset(d *document) {
	if d.charset != "" {
		r.warnOnce("the encoding of a document is ambiguous; its publisher has to correct the Content-Type or the XML declaration: " + d.charset)
	}
}
