package publish

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
)

func TestOutageIsSaidOnce(t *testing.T) {
	t.Parallel()
	var said strings.Builder
	o := outage{logger: slog.New(slog.NewTextHandler(&said, nil)), over: "the database is available again"}
	away, full := errors.New("the server is away"), errors.New("the disk is full")
	for _, err := range []error{nil, away, away, full, full, nil, nil, away} {
		o.is("cannot go on", err)
	}
	var got []string
	for line := range strings.Lines(said.String()) {
		_, line, _ = strings.Cut(strings.TrimSpace(line), "level=")
		got = append(got, line)
	}
	want := `WARN msg="cannot go on" error="the server is away"
WARN msg="cannot go on" error="the disk is full"
INFO msg="the database is available again"
WARN msg="cannot go on" error="the server is away"`
	if strings.Join(got, "\n") != want {
		t.Errorf("said:\n%s\nwant:\n%s", strings.Join(got, "\n"), want)
	}
}
