package foreign

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
)

// declaration is an XML declaration, with the encoding that it names.
var declaration = regexp.MustCompile(`^<\?xml\s[^>]*?(?:encoding\s*=\s*["']([A-Za-z0-9._:-]+)["'][^>]*)?\?>`)

// Marks of an encoding, XML 1.0 appendix F.
var (
	markUTF8    = []byte{0xef, 0xbb, 0xbf}
	markUTF16BE = []byte{0xfe, 0xff}
	markUTF16LE = []byte{0xff, 0xfe}
)

// toUTF8 returns a document in UTF-8, without mark and XML declaration: a
// parser would go by the encoding that it names once more.
func toUTF8(body []byte) ([]byte, error) {
	label := ""
	switch {
	case bytes.HasPrefix(body, markUTF8):
		body = body[len(markUTF8):]
		label = "utf-8"
	case bytes.HasPrefix(body, markUTF16BE), bytes.HasPrefix(body, []byte{0, '<'}):
		body, label = bytes.TrimPrefix(body, markUTF16BE), "utf-16be"
	case bytes.HasPrefix(body, markUTF16LE), bytes.HasPrefix(body, []byte{'<', 0}):
		body, label = bytes.TrimPrefix(body, markUTF16LE), "utf-16le"
	}
	if label == "" {
		body = bytes.TrimLeft(body, " \t\r\n")
		if found := declaration.FindSubmatch(body[:min(len(body), 1024)]); found != nil {
			label = string(found[1])
		}
	}
	if label != "" && label != "utf-8" && !isWide(label, body) {
		reader, err := charset.NewReaderLabel(label, bytes.NewReader(body))
		if err != nil {
			return nil, fmt.Errorf("is in the encoding %q, which is not known", label)
		}
		if body, err = io.ReadAll(reader); err != nil {
			return nil, fmt.Errorf("is not in the encoding %q: %w", label, err)
		}
	}
	if !utf8.Valid(body) {
		return nil, fmt.Errorf("is not valid in its encoding (%s)", orElse(label, "UTF-8"))
	}
	body = bytes.TrimLeft(body, " \t\r\n")
	if found := declaration.FindIndex(body[:min(len(body), 1024)]); found != nil {
		body = body[found[1]:]
	}
	return body, nil
}

// isWide reports whether a document names an encoding of two bytes a character
// in letters of one byte: it was converted, and its declaration was not.
func isWide(label string, body []byte) bool {
	return len(label) >= 6 && (label[:6] == "utf-16" || label[:6] == "UTF-16") && bytes.HasPrefix(body, []byte("<?xml"))
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
