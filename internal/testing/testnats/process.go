//go:build unix

package testnats

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/eventfeed/eventfeed/internal/testing/testprocess"
)

// start starts the server and waits until it accepts connections.
func (n *Node) start() (err error) {
	n.starts++
	n.group, err = testprocess.Start(testprocess.Server{
		Folder: n.folder, Log: n.log(), Ready: "Server is ready", Command: []string{n.program, "-c", filepath.Join(n.folder, "nats.conf")},
	})
	return err
}

// portTaken reports whether the last start failed because another process took a port meanwhile.
func (n *Node) portTaken() bool {
	said, err := os.ReadFile(n.log())
	return err == nil && strings.Contains(string(said), "address already in use")
}
