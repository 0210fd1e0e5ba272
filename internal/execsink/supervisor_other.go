//go:build !unix

package execsink

import (
	"errors"
	"os"
)

// supervisor is not supported on this system.
type supervisor struct{}

func startSupervisor(string, []string, [3]*os.File, func(func(uintptr) error) error) (*supervisor, error) {
	return nil, errors.New("a program can be run on Unix only")
}

func (*supervisor) terminate()   {}
func (*supervisor) kill()        {}
func (*supervisor) wait() ending { return ending{} }
