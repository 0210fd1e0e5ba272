package feed

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/testing/need"
)

// docs/format.md and the files beside it are what others write readers from.
// The documents and numbers in it are made here; -update writes them anew.
const (
	formatText = "../../docs/format.md"
	formatDir  = "../../docs/format"
)

func TestFormatShowsWhatIsWritten(t *testing.T) {
	archive, subscription := formatDocuments()
	for name, d := range map[string]*Document{"archive.atom": archive, "subscription.atom": subscription} {
		golden := filepath.Join(formatDir, name)
		if *update {
			if err := os.WriteFile(golden, []byte(encode(d)), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if readFile(t, golden) != encode(d) {
			t.Errorf("%s is not what the writer makes of it; write it anew with: go test ./internal/feed -run Format -update", golden)
		}
	}

	// The subscription document is shown without the entries that the archive has shown.
	head, _, _ := strings.Cut(encode(subscription), entryOf(subscription, 4))
	blocks := map[string]string{
		"format/archive.atom":      encode(archive),
		"format/subscription.atom": head,
		"format/read.py":           readFile(t, filepath.Join(formatDir, "read.py")),
		"event":                    eventExample(&archive.Entries[1].Event),
		"digests":                  digestsExample(subscription),
		"types":                    typesExample(subscription),
		"run": fmt.Sprintf("$ python3 docs/format/read.py docs/format/archive.atom docs/format/subscription.atom\nposition %d digest %s\n",
			subscription.Last, subscription.DigestAfter),
	}
	text := readFile(t, formatText)
	text = regexp.MustCompile("(?s)<!-- (\\S+) -->\n```(\\w*)\n(.*?)```\n").ReplaceAllStringFunc(text, func(block string) string {
		start, rest, _ := strings.Cut(block, "\n")
		fence, shown, _ := strings.Cut(rest, "\n")
		name := strings.TrimSuffix(strings.TrimPrefix(start, "<!-- "), " -->")
		want, known := blocks[name]
		if !known {
			t.Errorf("block %s is unknown, or there twice", name)
			return block
		}
		delete(blocks, name)
		if shown != want+"```\n" && !*update {
			t.Errorf("block %s differs; write it anew with: go test ./internal/feed -run Format -update", name)
		}
		return start + "\n" + fence + "\n" + want + "```\n"
	})
	for name := range blocks {
		t.Errorf("block %s is missing", name)
	}
	if *update {
		if err := os.WriteFile(formatText, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFormatNamesTheLimitsOfTheCode(t *testing.T) {
	t.Parallel()
	text := readFile(t, formatText)
	for _, want := range []string{
		fmt.Sprintf("`<ef:feed format=\"%d\" name=\"…\"/>`", Format),
		fmt.Sprintf("| %#q | none |", AtomNamespace), fmt.Sprintf("| %#q | `fh` |", HistoryNamespace),
		fmt.Sprintf("| %#q | `ce` |", CloudEventNamespace), fmt.Sprintf("| %#q | `ef` |", Namespace),
		fmt.Sprintf("| `id` | 1 to %d bytes |", event.MaxID),
		fmt.Sprintf("| `source` | 1 to %d bytes |", event.MaxAttribute),
		fmt.Sprintf("| `type` | 1 to %d bytes |", event.MaxAttribute),
		fmt.Sprintf("| `subject`, `datacontenttype` | 0 to %d bytes |", event.MaxAttribute),
		fmt.Sprintf("| `dataschema` | 0 to %d bytes |", event.MaxAttribute),
		fmt.Sprintf("| name of an extension | 1 to %d characters of `a-z` and `0-9` |", event.MaxName),
		fmt.Sprintf("| the whole event | %d bytes of normal form |", event.MaxSize),
		fmt.Sprintf("| `page_size` | %d | 1 to %d |", DefaultPageSize, MaxPageSize),
		fmt.Sprintf("| `page_bytes` | %d | 1 to %d |", DefaultPageBytes, MaxPageBytes),
		fmt.Sprintf("at least the newest %d", MinEntries),
		fmt.Sprintf("Versions 1 to %d, %d to %d,", EntityArchiveSize, EntityArchiveSize+1, 2*EntityArchiveSize),
		fmt.Sprintf("past %d bytes of data and", EntityArchiveBytes),
		strings.TrimPrefix((&EntityDocument{FeedID: "urn:uuid:5d1c7a0e-6a3f-4c55-9a52-3a1f0c7d2b10", Subject: "o-1"}).ID(), "urn:uuid:"),
		fmt.Sprintf("nested more than %d levels deep", cloudevents.MaxJSONDepth),
		fmt.Sprintf("%#q", namePattern),
		fmt.Sprintf("%#q", derivedID("/orders", "17")),
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s does not say: %s", formatText, want)
		}
	}
}

func TestFormatReaderComesToTheSameDigest(t *testing.T) {
	t.Parallel()
	python := need.Tool(t, "python3")
	archive, subscription := formatDocuments()
	final := *archive
	final.Next = &Page{epochTwo, 2}
	kinds := testDocument(Archive, eventsOfEveryKind())
	emptyArchive, emptySubscription := withEmptyEpoch()
	whole := fmt.Sprintf("position %d digest %s\n", subscription.Last, subscription.DigestAfter)
	for name, c := range map[string]struct {
		documents []string
		want      string
	}{
		"the files":             {[]string{readFile(t, filepath.Join(formatDir, "archive.atom")), readFile(t, filepath.Join(formatDir, "subscription.atom"))}, whole},
		"a final archive":       {[]string{encode(&final), encode(subscription)}, whole},
		"no overlap":            {[]string{encode(archive), encode(formatEnd(5))}, whole},
		"the last document":     {[]string{encode(subscription)}, whole},
		"the first document":    {[]string{encode(archive)}, fmt.Sprintf("position %d digest %s\n", archive.Last, archive.DigestAfter)},
		"an empty feed":         {[]string{encode(testDocument(Subscription, nil))}, fmt.Sprintf("position 0 digest %s\n", FirstDigest(testFeedID))},
		"another form of XML":   {[]string{string(rewritten(encode(archive))), encode(subscription)}, whole},
		"two epochs begin at 5": {[]string{encode(emptyArchive), encode(emptySubscription)}, fmt.Sprintf("position 6 digest %s\n", emptySubscription.DigestAfter)},
		"every kind of data":    {[]string{encode(kinds)}, fmt.Sprintf("position %d digest %s\n", kinds.Last, kinds.DigestAfter)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := runReader(t, python, c.documents)
			if err != nil || got != c.want {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
}

func TestFormatReaderNoticesDamage(t *testing.T) {
	t.Parallel()
	python := need.Tool(t, "python3")
	archiveDocument, subscriptionDocument := formatDocuments()
	archive, subscription := encode(archiveDocument), encode(subscriptionDocument)
	second, third := entryOf(archiveDocument, 2), entryOf(archiveDocument, 3)
	other := *archiveDocument
	other.Entries = append([]event.Placed{}, other.Entries...)
	other.Entries[0].Data = []byte(`{"total":99}`)
	other.Epochs = other.Epochs[:1:1]
	other.DigestAfter = digestOf(&other)
	begun := archiveDocument.Epochs[1]
	begun.DigestBefore = other.DigestAfter
	other.Epochs = append(other.Epochs, begun)

	inArchive := func(old, replacement string) []string {
		return []string{strings.ReplaceAll(archive, old, replacement), subscription}
	}
	inSubscription := func(old, replacement string) []string {
		return []string{archive, strings.ReplaceAll(subscription, old, replacement)}
	}
	for name, documents := range map[string][]string{
		"changed data":               inArchive("12.50", "12.51"),
		"changed binary data":        inArchive("iVBORw0K", "iVBORw0L"),
		"changed time":               inArchive("09:30:01.500000Z", "09:30:01.500001Z"),
		"changed id":                 inArchive("<ce:id>note<", "<ce:id>nota<"),
		"changed entry id":           inArchive("urn:uuid:b8b0e2f3", "urn:uuid:b8b0e2f4"),
		"changed extension":          inArchive("00-4bf9-01", "00-4bf9-02"),
		"dropped extension":          inArchive(`<ef:extension name="traceparent">00-4bf9-01</ef:extension>`, ""),
		"swapped entries":            inArchive(second+third, third+second),
		"swapped and numbered anew":  inArchive(second+third, renumbered(third, 3, 2)+renumbered(second, 2, 3)),
		"dropped entry":              inArchive(second, ""),
		"dropped and numbered anew":  {strings.Replace(strings.Replace(archive, entryOf(archiveDocument, 4), "", 1), `last="4"`, `last="3"`, 1), subscription},
		"doubled entry":              inArchive(second, second+second),
		"dropped entry at the end":   inSubscription(entryOf(subscriptionDocument, 6), ""),
		"other epoch of the page":    inArchive(`number="1" epoch="`+epochTwo, `number="1" epoch="`+epochOne),
		"other first epoch":          inArchive(epochOne, strings.Replace(epochOne, "0b", "0c", 1)),
		"other second epoch":         inSubscription(epochTwo, strings.Replace(epochTwo, "c1", "c2", 1)),
		"epoch from another place":   inSubscription(`first-position="5"`, `first-position="6"`),
		"epoch of another digest":    inSubscription(`first-position="5" first-page="1" digest-before="`, `first-position="5" first-page="1" digest-before="00`),
		"lost epoch":                 {archive, regexp.MustCompile(`<ef:epoch id="`+epochTwo+`.*\n`).ReplaceAllString(subscription, "")},
		"other digest at the start":  inArchive(`first="1" last="4" digest-before="b1`, `first="1" last="4" digest-before="b2`),
		"other digest at the end":    inArchive(archiveDocument.DigestAfter.String(), other.DigestAfter.String()),
		"other feed":                 inArchive(testFeedID, strings.Replace(testFeedID, "5d", "6d", 1)),
		"other feed at the end":      inSubscription(testFeedID, strings.Replace(testFeedID, "5d", "6d", 1)),
		"another history":            {encode(&other), subscription},
		"a gap between documents":    {archive, encode(formatEnd(6))},
		"the end alone":              {encode(formatEnd(6))},
		"documents in another order": {subscription, archive},
		"another format":             inArchive(`format="1"`, `format="2"`),
		"a DOCTYPE":                  inArchive("<feed", "<!DOCTYPE feed>\n<feed"),
		"an unknown prefix":          inArchive("<fh:archive/>", "<fh:archive/><no:such/>"),
		"a second root":              {archive + "<feed/>", subscription},
		"half a document":            {archive[:len(archive)/2], subscription},
		"invalid UTF-8":              inArchive("Orders", "Ord\xff"),
		"nothing":                    {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if len(documents) == 2 && documents[0] == archive && documents[1] == subscription {
				t.Fatal("nothing is damaged")
			}
			if got, err := runReader(t, python, documents); err == nil {
				t.Errorf("not noticed: %s", got)
			}
		})
	}
}

// formatDocuments returns the two documents of docs/format: an archive of four
// events, published anew under the epoch that begins behind them, and the
// subscription document of that feed with two more.
func formatDocuments() (archive, subscription *Document) {
	events := testEvents()
	archive = testDocument(Archive, events)
	archive.Updated = events[len(events)-1].Recorded
	archive.Epoch = epochTwo
	archive.Epochs = append(archive.Epochs, Epoch{ID: epochTwo, FirstPosition: 5, FirstPage: 1, DigestBefore: archive.DigestAfter})
	at := events[0].Time
	for i, e := range []event.Event{
		{ID: "019ab001-7a54-7c3e-9d0f-3f5b2a6c8e11", Source: "/orders", Type: "OrderShipped", Subject: "o-1", Time: at.Add(26 * time.Hour), DataContentType: "text/plain", Data: []byte("Grüße aus Köln")},
		{ID: "18", Source: "/orders", Type: "OrderPaid", Subject: "o-2", Time: at.Add(27 * time.Hour), DataContentType: "application/json", Data: []byte(`{"by":"invoice"}`)},
	} {
		events = append(events, event.Placed{Event: e, Position: int64(5 + i), Recorded: at.Add(28 * time.Hour)})
	}
	subscription = testDocument(Subscription, events)
	subscription.Updated = events[len(events)-1].Recorded
	subscription.Archives, subscription.Page, subscription.Epoch = 1, 2, epochTwo
	subscription.Epochs = archive.Epochs
	subscription.DigestAfter = digestOf(subscription)
	return archive, subscription
}

func eventsOfEveryKind() []event.Placed {
	var events []event.Placed
	for _, data := range everyKindOfData {
		e := testEvents()[1]
		e.Position, e.Data = int64(len(events)+1), data
		events = append(events, e)
	}
	return events
}

// formatEnd is the subscription document as if it began at a position.
func formatEnd(first int64) *Document {
	_, d := formatDocuments()
	before, err := d.DigestAt(first - 1)
	if err != nil {
		panic(err)
	}
	d.Entries, d.First, d.DigestBefore = d.Entries[first-d.First:], first, before
	return d
}

// withEmptyEpoch are the documents with one more epoch, which ended before it had an event.
func withEmptyEpoch() (archive, subscription *Document) {
	archive, subscription = formatDocuments()
	empty := archive.Epochs[1]
	empty.ID = strings.Replace(epochTwo, "c1", "c0", 1)
	archive.Epochs = []Epoch{archive.Epochs[0], empty, archive.Epochs[1]}
	subscription.Epochs = archive.Epochs
	subscription.DigestAfter = digestOf(subscription)
	return archive, subscription
}

func digestOf(d *Document) Digest {
	chain, err := d.chainTo(d.Last, func(Digest) {})
	if err != nil {
		panic(err)
	}
	return chain.Digest
}

// entryOf is an entry's line.
func entryOf(d *Document, position int64) string {
	return string(appendEntry(nil, &d.Entries[position-d.First]))
}

func renumbered(entry string, from, to int) string {
	return strings.Replace(entry, fmt.Sprintf(`position="%d"`, from), fmt.Sprintf(`position="%d"`, to), 1)
}

// eventExample takes an event's normal form apart.
func eventExample(e *event.Event) string {
	form := cloudevents.AppendForm(nil, e)
	text := &strings.Builder{}
	names := []string{"id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data"}
	for i, rest := 0, form; len(rest) > 0; i++ {
		length := binary.BigEndian.Uint32(rest)
		name := "extension's name"
		if i < len(names) {
			name = names[i]
		} else if i%2 == 1 {
			name = "extension's value"
		}
		fmt.Fprintf(text, "%-17s  %08x  %s\n", name, length, strconv.Quote(string(rest[4:4+length])))
		rest = rest[4+length:]
	}
	hash, _ := EventHash(e, nil)
	fmt.Fprintf(text, "\n%d bytes, SHA-256 %s\n", len(form), hash)
	return text.String()
}

// digestsExample computes a document's digests, one after the other.
func digestsExample(d *Document) string {
	text := &strings.Builder{}
	line := func(position, hashed string, digest any) {
		fmt.Fprintf(text, "%-2s  %-64s  %s\n", position, hashed, digest)
	}
	line("p", "SHA-256(event p)", "digest(p)")
	line("0", "", FirstDigest(d.ID))
	chain := Chain{Position: d.First - 1, Digest: d.DigestBefore, Epochs: d.Epochs}
	for i := range d.Entries {
		if p := chain.Position + 1; p == d.Epochs[1].FirstPosition {
			begun := sha256.Sum256(append(chain.Digest[:], epochTwo...))
			line("", fmt.Sprintf("SHA-256(digest(%d) || %q) =", p-1, epochTwo), Digest(begun))
		}
		hash, _ := EventHash(&d.Entries[i].Event, nil)
		chain.Next(hash)
		line(strconv.FormatInt(chain.Position, 10), hash.String(), chain.Digest)
	}
	return text.String()
}

// runReader runs the reader of docs/format over documents.
// typesExample is the document of a feed's types, with a line for each.
func typesExample(d *Document) string {
	counts := TypeCounts{}
	for i := range d.Entries {
		counts.Add(d.Entries[i].Position, &d.Entries[i].Event)
	}
	text, err := json.Marshal(TypesDocument{Feed: d.Name, ID: d.ID, Position: d.Last, Types: counts.Sorted()})
	if err != nil {
		panic(err) // text and numbers always have a JSON form
	}
	return strings.NewReplacer("[{", "[\n{", "},{", "},\n{", "}]", "}\n]").Replace(string(text)) + "\n"
}

func runReader(t *testing.T, python string, documents []string) (string, error) {
	t.Helper()
	arguments := []string{filepath.Join(formatDir, "read.py")}
	for i, body := range documents {
		path := filepath.Join(t.TempDir(), fmt.Sprintf("%d.atom", i))
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		arguments = append(arguments, path)
	}
	var errors bytes.Buffer
	command := exec.CommandContext(t.Context(), python, arguments...)
	command.Stderr = &errors
	output, err := command.Output()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(errors.String()), "\n")
		t.Logf("%v: %s", err, lines[len(lines)-1])
	}
	return string(output), err
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
