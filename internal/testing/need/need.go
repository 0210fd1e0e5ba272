// Package need finds what a test needs beyond Go and a Unix: programs and a PostgreSQL. It has one
// rule for a machine that lacks something: a plain go test skips the test, and make test and CI fail
// it. Only tests import it.
package need

import (
	"os"
	"testing"
)

// allVar is set by test/postgres, and so by make test.
const allVar = "EVENTFEED_TEST_ALL"

// allMustRun reports whether no test may be skipped.
func allMustRun() bool { return os.Getenv("CI") != "" || os.Getenv(allVar) != "" }

// end ends a test that lacks something. The message says in one line what, and how to run the test.
func end(t testing.TB, message string) {
	t.Helper()
	if allMustRun() {
		t.Fatal(message)
	}
	t.Skip(message)
}
