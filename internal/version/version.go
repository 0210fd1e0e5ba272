// Package version reports the source revision and the Go version that a program was built
// from.
package version

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// The linker sets these in make build, make dist and the image, with the flags
// that scripts/ldflags prints. The date is the commit's, so that a build can be
// repeated to the byte.
var version, commit, date string

// Build is the origin of a program. What is not known is empty.
type Build struct {
	Version string // without the leading v of the tag
	Commit  string
	Date    string // of the commit, RFC 3339
	Go      string
}

// Read returns the origin of this program: what the linker set, else what go
// build and go install leave in a program by themselves.
func Read() Build {
	build := Build{Version: version, Commit: commit, Date: date}
	if info, ok := debug.ReadBuildInfo(); version == "" && ok {
		build = fromInfo(info)
	}
	build.Go = runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
	return build
}

func fromInfo(info *debug.BuildInfo) Build {
	build := Build{Version: strings.TrimPrefix(info.Main.Version, "v")}
	if build.Version == "(devel)" {
		build.Version = ""
	}
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			build.Commit = setting.Value
		case "vcs.time":
			build.Date = setting.Value
		}
	}
	return build
}

// String is one line, as in "1.2.0 (commit 1514aa1, 2026-11-23T08:52:44Z,
// go1.26.8 linux/amd64)".
func (b Build) String() string {
	origin := b.Go
	if b.Date != "" {
		origin = b.Date + ", " + origin
	}
	if b.Commit != "" {
		origin = "commit " + b.Commit + ", " + origin
	}
	return fmt.Sprintf("%s (%s)", cmp.Or(b.Version, "devel"), origin)
}
