package fetch

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"

	"golang.org/x/net/html/charset"
)

// XMLLimits bound what a document may ask of whoever parses it.
type XMLLimits struct {
	Depth      int // elements inside one another; parsers recurse
	Attributes int // of an element, declarations of namespaces among them
	Prefixes   int // declared at one place; parsers copy them for each element that declares one
}

// DefaultXMLLimits are far beyond what feeds have, XHTML in their entries
// included.
var DefaultXMLLimits = XMLLimits{Depth: 256, Attributes: 256, Prefixes: 256}

// CheckXML refuses a document that would cost a parser more than its size says:
// one that is nested too deeply, has too many attributes, or declares entities,
// which could stand for one another. It reads as leniently as gofeed does, so
// nothing is nested there that was not here; what is no XML even so is an error
// too. The document's size is for the caller to bound.
func CheckXML(body []byte, limits XMLLimits) error {
	decoder := xml.NewDecoder(bytes.NewReader(body))
	decoder.Strict, decoder.CharsetReader = false, charset.NewReaderLabel
	var declared []int // prefixes, by each element that is open
	prefixes := 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot be read as XML: %w", err)
		}
		switch t := token.(type) {
		case xml.Directive:
			if bytes.ContainsRune(t, '[') || bytes.Contains(bytes.ToUpper(t), []byte("ENTITY")) {
				return errors.New("has a DOCTYPE with declarations of its own, which could be of entities")
			}
		case xml.StartElement:
			own := declarations(t)
			declared, prefixes = append(declared, own), prefixes+own
			if err := limits.check(len(declared), len(t.Attr), prefixes, t.Name.Local); err != nil {
				return err
			}
		case xml.EndElement:
			if last := len(declared) - 1; last >= 0 {
				prefixes -= declared[last]
				declared = declared[:last]
			}
		}
	}
}

func (l XMLLimits) check(depth, attributes, prefixes int, element string) error {
	switch {
	case depth > l.Depth:
		return fmt.Errorf("has more than %d elements inside one another", l.Depth)
	case attributes > l.Attributes:
		return fmt.Errorf("element %.80s has more than %d attributes", element, l.Attributes)
	case prefixes > l.Prefixes:
		return fmt.Errorf("declares more than %d namespaces at one place", l.Prefixes)
	}
	return nil
}

// declarations is how many namespaces an element declares.
func declarations(t xml.StartElement) (n int) {
	for _, a := range t.Attr {
		if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
			n++
		}
	}
	return n
}
