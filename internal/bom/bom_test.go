package bom_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/eventfeed/eventfeed/internal/bom"
)

func TestOnlyAMarkAtTheBeginningIsPassedOver(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, want string }{
		{"", ""}, {"a", "a"}, {"\ufeff", ""}, {"\ufeffa", "a"}, {"\ufeff\ufeffa", "\ufeffa"}, {"a\ufeff", "a\ufeff"},
		{"\xef\xbb", "\xef\xbb"}, {" \ufeff", " \ufeff"},
	} {
		text, want := test.text, test.want
		if got := string(bom.Trim([]byte(text))); got != want {
			t.Errorf("%q: trimmed to %q", text, got)
		}
		got, err := io.ReadAll(bom.NewReader(iotest.OneByteReader(strings.NewReader(text))))
		if err != nil || string(got) != want {
			t.Errorf("%q: read as %q, %v", text, got, err)
		}
	}
	broken := errors.New("broken")
	if _, err := io.ReadAll(bom.NewReader(iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("ended with %v", err)
	}
}
