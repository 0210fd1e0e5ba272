package feed

import (
	"reflect"
	"strings"
	"testing"
)

// TestForeignMarkupChangesNothing holds RFC 4287 sections 5.1 and 6.3: a
// signature, attributes of XML and elements that nobody knows stop no reader.
func TestForeignMarkupChangesNothing(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{Subscription, Archive} {
		d := testDocument(kind, testEvents())
		body := encode(d)
		for name, foreign := range map[string]string{
			"an element in the feed":   strings.Replace(body, "<author>", `<x:a xmlns:x="urn:x" x:b="c">d<x:e/></x:a><author>`, 1),
			"an element in each entry": strings.ReplaceAll(body, "<entry>", `<entry><x:a xmlns:x="urn:x">d<x:id>no id</x:id></x:a>`),
			"an attribute":             strings.ReplaceAll(body, "<entry>", `<entry xmlns:x="urn:x" x:b="c">`),
			"xml:lang":                 strings.Replace(body, "<feed ", `<feed xml:lang="en" `, 1),
			"a comment":                strings.Replace(body, "<author>", `<!-- <entry/> --><author>`, 1),
			"an instruction":           strings.Replace(body, "<feed ", `<?x y?><feed `, 1),
			"a signature": strings.Replace(body, "<author>", `<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo/>`+
				`<ds:SignatureValue>AA==</ds:SignatureValue></ds:Signature><author>`, 1),
			"a generator": strings.Replace(body, "<author>", `<generator uri="https://example.org/">x</generator><author>`, 1),
		} {
			if foreign == body {
				t.Fatalf("%s: not there", name)
			}
			got, err := Decode([]byte(foreign))
			if err == nil {
				err = got.Check()
			}
			if err == nil {
				got.Digests = nil
			}
			if err != nil || !reflect.DeepEqual(got, d) {
				t.Errorf("%s: %v\ngot  %+v\nwant %+v", name, err, got, d)
			}
		}
	}
}
