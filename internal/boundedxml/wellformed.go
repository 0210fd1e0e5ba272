package boundedxml

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
)

// encoding/xml takes some texts that are not well-formed: elements with an attribute
// twice, attributes without white space between them, and references to surrogates,
// which it reads as U+FFFD.

// wellFormed returns what is wrong with a start tag or a text, and "" if nothing is.
func wellFormed(token xml.Token, source []byte) string {
	switch t := token.(type) {
	case xml.StartElement:
		if name := twice(t.Attr); name != "" {
			return fmt.Sprintf("element %.80s has the attribute %.80s twice", t.Name.Local, name)
		}
		if touch(source) {
			return fmt.Sprintf("element %.80s has no white space between two attributes", t.Name.Local)
		}
		return surrogate(source)
	case xml.CharData:
		if !bytes.HasPrefix(source, []byte(cdata)) {
			return surrogate(source)
		}
	}
	return ""
}

// twice returns the name of an attribute that is there twice; empty if none is.
func twice(attributes []xml.Attr) string {
	if len(attributes) < 2 {
		return ""
	}
	names := make(map[xml.Name]bool, len(attributes))
	for _, a := range attributes {
		if names[a.Name] {
			return a.Name.Local
		}
		names[a.Name] = true
	}
	return ""
}

// touch reports whether an attribute of a tag begins where another one ends.
func touch(tag []byte) bool {
	for {
		quote := bytes.IndexAny(tag, `"'`)
		if quote < 0 {
			return false
		}
		end := quote + 1 + to(tag[quote+1:], string(tag[quote]))
		if end < len(tag) && !strings.ContainsRune(" \t\r\n/>", rune(tag[end])) {
			return true
		}
		tag = tag[end:]
	}
}

// surrogate says which reference of a text is to a surrogate, which is no character;
// empty if none is.
func surrogate(text []byte) string {
	for {
		_, after, found := bytes.Cut(text, []byte("&#"))
		if !found {
			return ""
		}
		number, rest, _ := bytes.Cut(after, []byte(";"))
		text = rest
		base := 10
		if digits, isHex := bytes.CutPrefix(number, []byte("x")); isHex {
			number, base = digits, 16
		}
		if n, err := strconv.ParseUint(string(number), base, 32); err == nil && n >= 0xd800 && n < 0xe000 {
			return fmt.Sprintf("a character reference is to U+%04X, a surrogate, which is no character", n)
		}
	}
}
