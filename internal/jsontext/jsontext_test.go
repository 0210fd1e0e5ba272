package jsontext_test

import (
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/jsontext"
)

func TestMembersAreThoseOfTheObjectItself(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		`{}`:                                  0,
		`{"a":1}`:                             1,
		`{"a":{"b":1,"c":[{"d":2}]},"a":":"}`: 2,
		`{"a\":":1,"b":"\\","c":"x:y\"{"}`:    3,
		`{"a":1,"b":2,"c":3,"d":4,"e":5}`:     4, // more than the limit
		`{"a":1,"b`:                           1,
		`["a",{"b":1}]`:                       0,
		`"a\`:                                 0,
		``:                                    0,
	} {
		if n := jsontext.Members([]byte(text), 3); n != want {
			t.Errorf("%s: %d, want %d", text, n, want)
		}
	}
}

func TestDepthCountsNoBracketInAString(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`[[[1]]]`:                  true,
		`{"a":{"b":[]}}`:           true,
		`[[1],[2],[3],{"a":1}]`:    false,
		`["[[[","{{{","\"[[[[",1]`: false,
		`1`:                        false,
	} {
		if is := jsontext.IsDeeper([]byte(text), 2); is != want {
			t.Errorf("%s: %v", text, is)
		}
	}
}

func TestEscapesTellsWhatNoTextCanHold(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`"a\n\u0041\ud83d\ude00"`:          "",
		`"\u0000"`:                         "NUL",
		`"\ud83d"`:                         "half",
		`"\ude00"`:                         "half",
		`"\ud83dx\ude00"`:                  "half",
		`"\ud83d\n"`:                       "half",
		`"\ud83d\ud83d\ude00"`:             "half",
		`["\\u0000","\\ud83d"]`:            "",
		`{"a\u0000":"\ud83d"}`:             "NUL half",
		`"` + strings.Repeat("x", 9) + `"`: "",
	} {
		var got []string
		nul, half := jsontext.Escapes([]byte(text))
		if nul {
			got = append(got, "NUL")
		}
		if half {
			got = append(got, "half")
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", text, got, want)
		}
	}
}
