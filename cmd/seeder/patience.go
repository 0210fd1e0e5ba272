package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"
)

// patience is the value of --patience.
type patience struct {
	wait time.Duration
	set  bool
}

func patienceFlag(command *cobra.Command, usage string) *patience {
	p := &patience{}
	command.Flags().Var(p, "patience", usage)
	return p
}

// or returns the value, or unset if the user has not set it.
func (p *patience) or(unset time.Duration) time.Duration {
	if !p.set {
		return unset
	}
	return max(p.wait, 1) // in a seed.Config 0 stands for the default
}

func (p *patience) Set(text string) (err error) {
	p.wait, err = time.ParseDuration(text)
	if err == nil && p.wait < 0 {
		err = errors.New("must not be negative")
	}
	p.set = true
	return err
}

func (p *patience) String() string {
	if !p.set {
		return ""
	}
	return p.wait.String()
}

func (p *patience) Type() string { return "duration" }
