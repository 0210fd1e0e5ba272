//go:build !unix

package program

import (
	"errors"
	"syscall"
	"time"
)

// group is what this system has not: processes that can be ended together.
type group struct{}

func newGroup(time.Duration) (*group, error) {
	return nil, errors.New("a program can be run on Unix only")
}

func (*group) member() *syscall.SysProcAttr { return nil }
func (*group) signal(syscall.Signal)        {}
func (*group) end()                         {}
