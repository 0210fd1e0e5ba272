package rabbitstream

import (
	"bytes"
	"maps"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/eventfeed/eventfeed/internal/testing/must"
)

func TestPropertiesComeBackFromAMessage(t *testing.T) {
	t.Parallel()
	text := rapid.OneOf(rapid.String(), rapid.Map(rapid.IntRange(250, 70_000), func(n int) string { return strings.Repeat("ü", n) }))
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.MapOfN(rapid.String(), text, 0, 40).Draw(t, "properties")
		data := rapid.SliceOf(rapid.Byte()).Draw(t, "data")
		contentType := rapid.SampledFrom([]string{"", "application/json", strings.Repeat("x", 255)}).Draw(t, "content type")
		message := AppendMessage([]byte("before"), contentType, func(add func(name, value string)) {
			for name, value := range want {
				add(name, value)
			}
		}, data)
		got, err := ApplicationProperties(message[len("before"):])
		if err != nil || !maps.Equal(got, want) {
			t.Fatalf("%q, want %q: %v", got, want, err)
		}
		if !bytes.HasSuffix(message, data) {
			t.Fatalf("the message does not end with its data")
		}
	})
}

// TestAMessageHasTheBytesOfTheStandard: AMQP 1.0, part 1, sections 1.3 to 1.6, and part 3, section 3.2.
func TestAMessageHasTheBytesOfTheStandard(t *testing.T) {
	t.Parallel()
	got := AppendMessage(nil, "a/b", func(add func(name, value string)) { add("n", "v") }, []byte("d"))
	want := "\x00\x53\x73" + "\xd0\x00\x00\x00\x0f\x00\x00\x00\x07" + "\x40\x40\x40\x40\x40\x40" + "\xa3\x03a/b" +
		"\x00\x53\x74" + "\xd1\x00\x00\x00\x0a\x00\x00\x00\x02" + "\xa1\x01n" + "\xa1\x01v" +
		"\x00\x53\x75" + "\xa0\x01d"
	if string(got) != want {
		t.Errorf("%q, want\n%q", got, want)
	}
}

func TestForeignMessagesAreReadOrRefused(t *testing.T) {
	t.Parallel()
	annotations := "\x00\x53\x72\xc1\x07\x02\xa3\x01k\x80" // a map8 whose ulong is cut off
	for message, valid := range map[string]bool{
		"": true, "text": false, "\x00": false, "\x00\x53\x74\xc1": false, annotations: false,
		"\x00\x53\x74\xd1\xff\xff\xff\xff":                                                                     false,
		"\x00\x53\x70\x45" + "\x00\x53\x74\xc1\x09\x04\xa1\x01a\x54\x07\xa1\x01b\xa0":                          false,
		"\x00\x53\x70\x45" + "\x00\x53\x74\xc1\x0b\x04\xa1\x01a\x54\x07\xa1\x01b\xa1\x00" + "\x00\x53\x77\x40": true,
	} {
		if _, err := ApplicationProperties([]byte(message)); (err == nil) != valid {
			t.Errorf("%q: %v", message, err)
		}
	}
	got, err := ApplicationProperties([]byte("\x00\x53\x74\xc1\x0b\x04\xa1\x01a\x54\x07\xa1\x01b\xa1\x00"))
	must.OK(t, err)
	if value, found := got["b"]; len(got) != 1 || !found || value != "" {
		t.Errorf("%q, want b alone: a is a number", got)
	}
}

// FuzzApplicationProperties: what others publish may be anything.
func FuzzApplicationProperties(f *testing.F) {
	f.Add(AppendMessage(nil, "a/b", func(add func(name, value string)) { add("n", "v") }, []byte("d")))
	f.Fuzz(func(_ *testing.T, message []byte) { _, _ = ApplicationProperties(message) })
}
