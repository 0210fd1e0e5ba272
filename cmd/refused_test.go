package cmd_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// refused STATUS COMMAND… runs a command that must exit with STATUS, and adds
// what it said to the file transcript. A script compares all of it at its end,
// so that a change of any text is seen, and read as users will read it.
func refused(ts *testscript.TestScript, _ bool, arguments []string) {
	status(ts, false, arguments)
	note(ts, "$ %s\n%s\n", strings.Join(arguments[1:], " "), ts.ReadFile("stderr"))
}

// note adds to the transcript.
func note(ts *testscript.TestScript, format string, values ...any) {
	transcript, err := os.OpenFile(ts.MkAbs("transcript"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	ts.Check(err)
	_, err = transcript.WriteString(plain(ts, fmt.Sprintf(format, values...)))
	ts.Check(err)
	ts.Check(transcript.Close())
}

// powerless STATUS COMMAND… is refused for a command that may do nothing that
// the modes of files forbid, which they do not to root.
func powerless(ts *testscript.TestScript, _ bool, arguments []string) {
	command := arguments[1:]
	if os.Getuid() == 0 {
		command = append([]string{"setpriv", "--bounding-set=-dac_override,-dac_read_search"}, command...)
	}
	status(ts, false, append(arguments[:1:1], command...))
	note(ts, "$ %s\n%s\n", strings.Join(arguments[1:], " "), ts.ReadFile("stderr"))
}

// What differs from run to run, and what stands for it in a transcript.
var variable = []struct {
	pattern *regexp.Regexp
	name    string
}{
	{regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`), "UUID"},
	{regexp.MustCompile(`\b[0-9a-f]{64}\b`), "DIGEST"},
	{regexp.MustCompile(`\btest_[a-z2-7]{26}\b`), "DATABASE"}, // and its roles
	{regexp.MustCompile(`\b(127\.0\.0\.1|localhost):[0-9]+`), "${1}:PORT"},
	{regexp.MustCompile(`(?m)^time=\S+ level=INFO msg=settings .*\n`), ""}, // grows with every flag
	{regexp.MustCompile(`\btime=\S+`), "time=TIME"},
	{regexp.MustCompile(`\bwait=\S+`), "wait=WAIT"},
	{regexp.MustCompile(`\b(apply positions [0-9]+ to )[0-9]+`), "${1}POSITION"}, // what has been fetched by then
}

func plain(ts *testscript.TestScript, text string) string {
	text = strings.ReplaceAll(text, ts.Getenv("WORK"), "$WORK")
	for _, v := range variable {
		text = v.pattern.ReplaceAllString(text, v.name)
	}
	return text
}
