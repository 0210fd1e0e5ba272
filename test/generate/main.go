// Command generate writes events for tests that need many of them, and lists
// events so that two places can be compared line by line.
//
//	go run ./test/generate -events 50000          CloudEvents, one JSON object a line
//	go run ./test/generate -list FILE             what an inbox must hold after FILE was seeded
//	go run ./test/generate -list sqlite:PATH      what the inbox in this database holds
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
)

func main() {
	events := flag.Int("events", 1000, "how many events to write")
	seed := flag.Uint64("seed", 1, "the same seed gives the same events")
	list := flag.String("list", "", "list the events of a file (.gz, .zst too), or of the inbox in sqlite:PATH, instead")
	flag.Parse()
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	err := run(out, *events, *seed, *list)
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "generate: %v\n", err)
		os.Exit(1)
	}
}

func run(w io.Writer, events int, seed uint64, list string) error {
	switch {
	case list == "":
		return generate(w, events, seed)
	case strings.HasPrefix(list, sqlitedb.Scheme):
		return listInbox(w, list)
	default:
		return listFile(w, list)
	}
}
