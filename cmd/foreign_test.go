package cmd_test

import (
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/eventfeed/eventfeed/internal/testing/testproxy"
)

// files NAME FOLDER serves a folder by nginx and sets the variable NAME to its URL.
func files(ts *testscript.TestScript, _ bool, arguments []string) {
	t := testOf(ts)
	ts.Setenv(arguments[0], testproxy.Static(t, ts.MkAbs(arguments[1])))
}
