package feed

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/event"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestDocumentsAreWrittenAsInTheGoldenFiles(t *testing.T) {
	t.Parallel()
	events := testEvents()
	newest := testDocument(Archive, events)
	final := testDocument(Archive, events)
	final.Next = &Page{epochTwo, 2}
	empty := testDocument(Subscription, nil)
	subscription := testDocument(Subscription, events)
	subscription.Archives, subscription.Page, subscription.Epoch = 1, 2, epochTwo
	subscription.Epochs = append(subscription.Epochs, Epoch{ID: epochTwo, FirstPosition: 5, FirstPage: 2, DigestBefore: subscription.DigestAfter})

	site := *subscription
	site.Site = true

	for name, d := range map[string]*Document{
		"archive-newest": newest, "archive-final": final, "subscription-empty": empty, "subscription": subscription, "subscription-site": &site,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			golden := filepath.Join("testdata", name+".atom")
			got := encode(d)
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("differs from %s:\n%s", golden, got)
			}
			back, err := decodeCanonical(t.Context(), []byte(got))
			if err != nil {
				t.Fatal(err)
			}
			if err := back.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDocumentOfASiteDiffersInItsOwnURLOnly(t *testing.T) {
	t.Parallel()
	for name, entries := range map[string][]event.Placed{"with entries": testEvents(), "empty": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := testDocument(Subscription, entries)
			want := strings.Replace(encode(d), `<link rel="self" href="orders"/>`, `<link rel="self" href="orders.atom"/>`, 1)
			d.Site = true
			body := encode(d)
			if body != want {
				t.Errorf("got\n%s\nwant\n%s", body, want)
			}
			for reader, decode := range map[string]func(context.Context, []byte) (*Document, error){"scanner": decodeCanonical, "parser": decodeXML} {
				back, err := decode(t.Context(), []byte(body))
				if err != nil {
					t.Fatalf("%s: %v", reader, err)
				}
				if !back.Site || encode(back) != body {
					t.Errorf("%s: Site %t, and it is written as\n%s", reader, back.Site, encode(back))
				}
			}
		})
	}
}

func TestScannerRefusesAnotherURLOfASite(t *testing.T) {
	t.Parallel()
	d := testDocument(Subscription, testEvents())
	d.Site = true
	for _, self := range []string{"other.atom", "./orders.atom", ".atom", "orders.atom.atom", "orders.atom?"} {
		body := strings.Replace(encode(d), `href="orders.atom"`, `href="`+self+`"`, 1)
		if _, err := decodeCanonical(t.Context(), []byte(body)); !errors.Is(err, errNotCanonical) {
			t.Errorf("self %q: %v", self, err)
		}
	}
}

func TestFinalArchiveIsTheNewestWithALink(t *testing.T) {
	t.Parallel()
	d := testDocument(Archive, testEvents())
	newest := []byte(encode(d))
	for _, next := range []Page{{epochOne, 2}, {epochTwo, 2}} {
		final, err := Finalize(newest, Page{epochOne, 1}, next)
		if err != nil {
			t.Fatal(err)
		}
		d.Next = &next
		if string(final) != encode(d) {
			t.Errorf("final bytes differ from the encoded final document:\n%s", final)
		}
		if _, err := Finalize(final, Page{epochOne, 1}, next); err == nil {
			t.Error("a final archive was finalized again")
		}
	}
}

func TestEveryKindOfDataComesOutAsItWentIn(t *testing.T) {
	t.Parallel()
	for name, data := range everyKindOfData {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := testEvents()[0]
			e.Data = data
			d := testDocument(Archive, []event.Placed{e})
			body := encode(d)
			for reader, decode := range map[string]func(context.Context, []byte) (*Document, error){"scanner": decodeCanonical, "parser": decodeXML} {
				back, err := decode(t.Context(), []byte(body))
				if err != nil {
					t.Fatalf("%s: %v", reader, err)
				}
				if got := string(back.Entries[0].Data); got != string(data) {
					t.Errorf("%s: %.100q came out as %.100q", reader, data, got)
				}
				if err := back.Check(); err != nil {
					t.Errorf("%s: %v", reader, err)
				}
			}
		})
	}
}

func TestRewrittenDocumentIsReadWithAnXMLParser(t *testing.T) {
	t.Parallel()
	for _, site := range []bool{false, true} {
		d := testDocument(Subscription, testEvents())
		d.Site = site
		body := rewritten(encode(d))
		if _, err := decodeCanonical(t.Context(), body); !errors.Is(err, errNotCanonical) {
			t.Fatalf("the scanner took it: %v", err)
		}
		got, err := Decode(body)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, d) {
			t.Errorf("got  %+v\nwant %+v", got, d)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	good := encode(testDocument(Archive, testEvents()))
	for name, body := range map[string]string{
		"nothing":                             "",
		"HTML":                                "<!DOCTYPE html><html><body>404</body></html>",
		"half a document":                     good[:len(good)/2],
		"a DOCTYPE":                           strings.Replace(good, "<feed", "<!DOCTYPE feed>\n<feed", 1),
		"a second root":                       good + "<feed/>",
		"text after the root":                 good + "x",
		"an unknown prefix":                   strings.Replace(good, "<fh:archive/>", "<fh:archive/><no:such/>", 1),
		"an attribute twice":                  strings.Replace(good, "<fh:archive/>", `<fh:archive x="1" x="2"/>`, 1),
		"an unknown prefix of an attribute":   strings.Replace(good, "<entry>", `<entry no:such="1">`, 1),
		"a prefix outside of its declaration": strings.Replace(good, "<fh:archive/>", `<fh:archive/><q:a xmlns:q="urn:q"/><q:b/>`, 1),
		"invalid UTF-8":                       strings.Replace(good, "Orders", "Ord\xff", 1),
		"a foreign Atom feed":                 `<feed xmlns="http://www.w3.org/2005/Atom"><id>x</id><title>t</title><updated>2026-01-01T00:00:00Z</updated></feed>`,
		"a newer format":                      strings.Replace(good, `format="1"`, `format="2"`, 1),
		"an entry without id":                 strings.Replace(good, "<id>urn:uuid:b8b0e2f3-1ea0-57a4-a222-9e58d457cee6</id>", "", 1),
		"a count too large":                   strings.Replace(good, ` last="4"`, ` last="4000000000"`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := Decode([]byte(body))
			if err == nil {
				err = d.Check()
			}
			if err == nil {
				t.Fatal("accepted")
			}
			t.Log(err)
		})
	}
}

func TestCheckFindsWhatDoesNotAddUp(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(*Document){
		"changed data":         func(d *Document) { d.Entries[1].Data = []byte("x") },
		"changed attribute":    func(d *Document) { d.Entries[1].Subject = "x" },
		"changed extension":    func(d *Document) { d.Entries[1].Extensions = nil },
		"swapped events":       func(d *Document) { d.Entries[0].Event, d.Entries[1].Event = d.Entries[1].Event, d.Entries[0].Event },
		"a gap":                func(d *Document) { d.Entries[2].Position++ },
		"a missing entry":      func(d *Document) { d.Entries = d.Entries[:3] },
		"a wrong end digest":   func(d *Document) { d.DigestAfter[0]++ },
		"a wrong start digest": func(d *Document) { d.DigestBefore[0]++ },
		"another position":     func(d *Document) { d.First++; d.Last++ },
		"no first epoch":       func(d *Document) { d.Epochs[0].FirstPosition++ },
		"another feed's epoch": func(d *Document) { d.Epochs[0].DigestBefore[0]++ },
		"an epoch of no page":  func(d *Document) { d.Epoch = epochTwo },
		"an epoch that goes back": func(d *Document) {
			d.Epochs = append(d.Epochs, Epoch{ID: epochTwo, FirstPosition: 9, FirstPage: 3}, Epoch{ID: epochTwo, FirstPosition: 8, FirstPage: 3})
		},
		"an epoch with another digest": func(d *Document) {
			d.Epochs = append(d.Epochs, Epoch{ID: epochTwo, FirstPosition: 5, FirstPage: 2})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := testDocument(Archive, testEvents())
			damage(d)
			if d.Check() == nil {
				t.Error("not noticed")
			}
		})
	}
}

func TestChainGoesOverToANewEpoch(t *testing.T) {
	t.Parallel()
	epochs := []Epoch{{ID: epochOne, FirstPosition: 1}, {ID: epochTwo, FirstPosition: 3}}
	one := Chain{Epochs: epochs[:1]}
	two := Chain{Epochs: epochs}
	for position := int64(1); position <= 3; position++ {
		one.Next(Digest{})
		two.Next(Digest{})
		if same := one.Digest == two.Digest; same != (position < 3) {
			t.Errorf("position %d: same digest in both histories: %v", position, same)
		}
	}
}

func TestNamesAreURLSegments(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"orders": true, "a": true, "2026.orders_v-2": true, strings.Repeat("a", 63): true, "atom": true, "gz": true, "orders.atom.v2": true, "orders-atom": true,
		"": false, ".": false, "..": false, "-a": false, "Orders": false, "a/b": false, "a b": false, "ä": false, strings.Repeat("a", 64): false,
		"orders.atom": false, "orders.gz": false, "a.atom": false, "1.gz": false, "orders.gz.atom": false,
	} {
		if ValidName(name) != want {
			t.Errorf("ValidName(%q) = %v", name, !want)
		}
	}
}
