package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/google/uuid"
)

// bigEvery and bigBytes are how often a big event comes, and its size.
const (
	bigEvery = 1500
	bigBytes = 100 << 10
)

// generator makes the history of a shop. It is a plausible one only from
// afar: what it is after is every form that an event can take on its way.
type generator struct {
	random *rand.Rand
	clock  time.Time
	line   bytes.Buffer
}

// generate writes events, one a line.
func generate(w io.Writer, events int, seed uint64) error {
	g := &generator{
		random: rand.New(rand.NewPCG(seed, seed)),
		clock:  time.Date(2024, 2, 28, 22, 0, 0, 0, time.UTC),
	}
	for n := range events {
		if _, err := w.Write(g.event(n)); err != nil {
			return err
		}
	}
	return nil
}

// event returns the line of the nth event.
func (g *generator) event(n int) []byte {
	g.line.Reset()
	g.line.WriteString(`{"specversion":"1.0"`)
	id, source := g.identity(n)
	g.member("id", id)
	g.member("source", source)
	if g.random.IntN(10) > 0 {
		g.member("subject", fmt.Sprintf("order-%06d", g.random.IntN(1+n/5)))
	}
	g.member("time", g.time())
	if n%bigEvery == bigEvery/2 {
		g.big()
	} else {
		g.content()
	}
	if g.random.IntN(5) == 0 {
		g.extensions()
	}
	g.line.WriteString("}\n")
	return g.line.Bytes()
}

// identity is a UUID mostly, else an id of the producer's own; some ids come
// from two sources.
func (g *generator) identity(n int) (id, source string) {
	var bits [16]byte
	binary.BigEndian.PutUint64(bits[:], uint64(n)*0x9e3779b97f4a7c15+1)
	binary.BigEndian.PutUint64(bits[8:], g.random.Uint64())
	bits[6], bits[8] = bits[6]&0x0f|0x40, bits[8]&0x3f|0x80 // version 4
	source = "https://shop.example/orders?shard=" + string('a'+rune(n%3))
	switch n % 20 {
	case 7:
		return fmt.Sprintf("2024/№ %d <&> ü", n), source
	case 8, 9: // the same id twice, from another source each
		return fmt.Sprintf("pair-%d", n/20), source
	default:
		return uuid.UUID(bits).String(), source
	}
}

// time moves on by up to three seconds, sometimes back, and is written with
// various fractions and zones.
func (g *generator) time() string {
	g.clock = g.clock.Add(time.Duration(g.random.Int64N(int64(3500*time.Millisecond)) - int64(500*time.Millisecond)))
	switch g.random.IntN(4) {
	case 0:
		return g.clock.Truncate(time.Second).Format(time.RFC3339)
	case 1:
		return g.clock.In(time.FixedZone("", -(5*3600 + 1800))).Format(time.RFC3339Nano)
	default:
		return g.clock.Truncate(time.Millisecond).Format(time.RFC3339Nano)
	}
}

// content writes type, datacontenttype and data.
func (g *generator) content() {
	switch n := g.random.IntN(100); {
	case n < 45:
		g.member("type", "com.example.order.placed.v1")
		g.raw("data", fmt.Sprintf(`{"customer":%s,"city":%s,"items":[{"sku":"A-%d","n":%d,"price":%d.%d0}],"gift":%t,"note":null}`,
			g.text(g.phrase()), g.text(cities[g.random.IntN(len(cities))]), g.random.IntN(5000), 1+g.random.IntN(9),
			g.random.IntN(200), g.random.IntN(10), g.random.IntN(4) == 0))
	case n < 65:
		g.member("type", "com.example.payment.received.v1")
		g.member("datacontenttype", "application/json")
		g.raw("data", fmt.Sprintf("{ \"amount\" : %d.%02d ,\t\"currency\":\"EUR\" }", g.random.IntN(900), g.random.IntN(100))) // white space stays
	case n < 75:
		g.member("type", "com.example.order.shipped.v1")
		g.member("datacontenttype", "application/vnd.example.shipment+json")
		g.member("dataschema", "https://shop.example/schemas/shipment-1")
		g.raw("data", []string{`[1,2,{"a":[]}]`, `"by bike"`, `17`, `null`, `false`, `"\u0001\ud83d\ude00"`}[g.random.IntN(6)])
	case n < 85:
		g.member("type", "com.example.note.written.v1")
		g.member("datacontenttype", "text/plain; charset=utf-8")
		g.member("data", notes[g.random.IntN(len(notes))]+g.phrase())
	case n < 92:
		g.member("type", "com.example.label.printed.v1")
		g.member("datacontenttype", "image/png")
		g.member("data_base64", base64.StdEncoding.EncodeToString(g.bytes(1+g.random.IntN(600))))
	case n < 95:
		g.member("type", "com.example.order.exported.v1")
		g.member("datacontenttype", "application/xml")
		g.member("data", `<?xml version="1.0"?><order note="`+g.phrase()+`"><![CDATA[ ]]></order>`)
	default:
		g.member("type", "com.example.order.cancelled.v1") // no data at all
	}
}

// big writes a big event, by turns text in JSON and bytes.
func (g *generator) big() {
	g.member("type", "com.example.document.attached.v1")
	if g.random.IntN(2) == 0 {
		g.raw("data", `{"text":`+g.text(strings.Repeat(g.phrase()+"\n", 1+bigBytes/20))+`}`)
		return
	}
	g.member("datacontenttype", "application/octet-stream")
	g.member("data_base64", base64.StdEncoding.EncodeToString(g.bytes(bigBytes)))
}

func (g *generator) extensions() {
	g.member("traceparent", fmt.Sprintf("00-%032x-%016x-01", g.random.Uint64(), g.random.Uint64()))
	if g.random.IntN(2) == 0 {
		g.member("comexample0shop", "Zürich <&> 東京")
		g.raw("sequence", fmt.Sprint(g.random.Int32()-1<<30))
		g.raw("sampled", fmt.Sprint(g.random.IntN(2) == 0))
	}
}

func (g *generator) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.random.Uint32())
	}
	return b
}

var (
	cities = []string{"Zürich", "東京", "Αθήνα", "القاهرة", "Łódź", "São Paulo", "Reykjavík", "Köln"}
	words  = []string{"naïve", "order", "late", "paid", "🚲", "e\u0301te\u0301", "O'Neill", `"quoted"`, "<b>", "a&b", "\u2028", "ﬁ", "Ω"}
	// notes begin with what XML, Base64 or line ends could trip over.
	notes = []string{"", " leading blank", "line\nline", "line\r\nline", "]]>", "\u0001", "\ufffe", "\u00a0", "\t", "&amp;"}
)

func (g *generator) phrase() string {
	chosen := make([]string, 2+g.random.IntN(4))
	for i := range chosen {
		chosen[i] = words[g.random.IntN(len(words))]
	}
	return strings.Join(chosen, " ")
}

// text returns a JSON string, with escapes or without as chance will have it.
func (g *generator) text(s string) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(g.random.IntN(4) == 0)
	if err := encoder.Encode(s); err != nil {
		panic(err) // a string always has a JSON form
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func (g *generator) member(name, value string) { g.raw(name, g.text(value)) }

func (g *generator) raw(name, value string) { fmt.Fprintf(&g.line, `,%q:%s`, name, value) }
