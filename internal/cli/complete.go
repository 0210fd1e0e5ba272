package cli

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// worded is a flag's value that is one of a few words.
type worded interface{ Words() []string }

// complete has a shell offer for a flag's value what can be one: its words, or
// files where it names one, and nothing otherwise.
func complete(command *cobra.Command) {
	if !namesFile(command.Use) && command.ValidArgsFunction == nil {
		command.ValidArgsFunction = cobra.NoFileCompletions
	}
	command.Flags().VisitAll(func(f *pflag.Flag) {
		word, usage := pflag.UnquoteUsage(f)
		if f.NoOptDefVal != "" || namesFile(word) || strings.Contains(usage, "sqlite:") {
			return
		}
		offer := cobra.NoFileCompletions
		if w, is := f.Value.(worded); is {
			offer = cobra.FixedCompletions(w.Words(), cobra.ShellCompDirectiveNoFileComp)
		}
		if err := command.RegisterFlagCompletionFunc(f.Name, offer); err != nil {
			panic(err) // there is such a flag, and it has none yet
		}
	})
}

// namesFile reports whether files can stand where a help has these words.
func namesFile(words string) bool {
	return strings.Contains(words, "FILE") || strings.Contains(words, "COMMAND")
}
