package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/seed"
)

// patienceFlag adds --patience.
func patienceFlag(command *cobra.Command, usage string) func() (time.Duration, error) {
	patience := command.Flags().Duration("patience", seed.DefaultPatience, usage)
	return func() (time.Duration, error) {
		if *patience < 0 {
			return 0, cli.Usage("--patience %s: must not be negative", *patience)
		}
		// In a seed.Config 0 stands for the default.
		return max(*patience, 1), nil
	}
}
