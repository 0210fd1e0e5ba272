package version

import (
	"runtime/debug"
	"testing"
)

func TestWhatGoLeavesInAProgramTellsItsOrigin(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		info debug.BuildInfo
		want string
	}{
		"go install of a release": {
			debug.BuildInfo{Main: debug.Module{Version: "v1.2.0"}},
			"1.2.0 (go1.26.8 linux/amd64)",
		},
		"go build in a clone": {
			debug.BuildInfo{
				Main: debug.Module{Version: "v0.0.0-20261123085244-1514aa1c0ffe+dirty"},
				Settings: []debug.BuildSetting{
					{Key: "vcs.revision", Value: "1514aa1"},
					{Key: "vcs.time", Value: "2026-11-23T08:52:44Z"},
				},
			},
			"0.0.0-20261123085244-1514aa1c0ffe+dirty (commit 1514aa1, 2026-11-23T08:52:44Z, go1.26.8 linux/amd64)",
		},
		"go build elsewhere": {
			debug.BuildInfo{Main: debug.Module{Version: "(devel)"}},
			"devel (go1.26.8 linux/amd64)",
		},
		"go build of a file": {
			debug.BuildInfo{},
			"devel (go1.26.8 linux/amd64)",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			build := fromInfo(&test.info)
			build.Go = "go1.26.8 linux/amd64"
			if got := build.String(); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}
