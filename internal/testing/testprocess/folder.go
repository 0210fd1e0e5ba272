//go:build unix

package testprocess

import (
	"context"
	"os"
	"os/exec"
	"syscall"
)

// folderKeeper removes a folder once standard input ends. The server, which ends at the same moment,
// may still write there.
const folderKeeper = `cat; cd /; until rm -rf "$0"; do sleep 0.1; done 2>/dev/null`

// Folder makes a folder that goes with this process, or when remove is called. remove must stay
// reachable as long as the folder is needed.
func Folder(pattern string) (path string, remove func(), err error) {
	path, err = os.MkdirTemp("/tmp", pattern)
	if err != nil {
		return "", nil, err
	}
	command := exec.CommandContext(context.Background(), "sh", "-c", folderKeeper, path)
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	hold, err := command.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	return path, func() {
		_ = hold.Close()
		_ = command.Wait()
	}, command.Start()
}
