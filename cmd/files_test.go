package cmd_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/rogpeppe/go-internal/testscript"
)

// write FILE PIECE… writes what a script cannot hold: pieces with the escapes
// of Go's strings; N*PIECE stands for N of them.
func write(ts *testscript.TestScript, _ bool, arguments []string) {
	var text bytes.Buffer
	for _, piece := range arguments[1:] {
		times := 1
		if before, after, found := strings.Cut(piece, "*"); found {
			if n, err := strconv.Atoi(before); err == nil {
				times, piece = n, after
			}
		}
		raw, err := strconv.Unquote(`"` + strings.ReplaceAll(piece, `"`, `\"`) + `"`)
		ts.Check(err)
		text.WriteString(strings.Repeat(raw, times))
	}
	ts.Check(os.WriteFile(ts.MkAbs(arguments[0]), text.Bytes(), 0o600))
}

// events FILE FIRST LAST writes events with these numbers as ids.
func events(ts *testscript.TestScript, _ bool, arguments []string) {
	first, err := strconv.Atoi(arguments[1])
	ts.Check(err)
	last, err := strconv.Atoi(arguments[2])
	ts.Check(err)
	var text bytes.Buffer
	for n := first; n <= last; n++ {
		fmt.Fprintf(&text, `{"specversion":"1.0","id":"%d","source":"/s","type":"T","time":"2026-01-01T00:00:00Z","data":%d}`+"\n", n, n)
	}
	ts.Check(os.WriteFile(ts.MkAbs(arguments[0]), text.Bytes(), 0o600))
}

// pack FROM TO [LESS] compresses a file as TO ends, and leaves out the last
// LESS bytes.
func pack(ts *testscript.TestScript, _ bool, arguments []string) {
	var packed bytes.Buffer
	var w io.WriteCloser = gzip.NewWriter(&packed)
	if strings.HasSuffix(arguments[1], ".zst") {
		var err error
		w, err = zstd.NewWriter(&packed)
		ts.Check(err)
	}
	_, err := io.WriteString(w, ts.ReadFile(arguments[0]))
	ts.Check(err)
	ts.Check(w.Close())
	less := 0
	if len(arguments) > 2 {
		less, err = strconv.Atoi(arguments[2])
		ts.Check(err)
	}
	ts.Check(os.WriteFile(ts.MkAbs(arguments[1]), packed.Bytes()[:packed.Len()-less], 0o600))
}
