package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/httpd/access"
	"github.com/eventfeed/eventfeed/internal/terminal"
)

func tokenCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "token NAME",
		Short: "Make a token for a reader or a writer of feeds",
		Long: `Make a token, with which NAME may read feeds, or append to them, on a server
that is started with --tokens FILE. NAME is for the log, and for you.

The token is printed on standard error, now and never again: give it to NAME.
What the server needs to know it by is printed on standard output, as lines for
the file. Where one of the two is a file that is still empty, only its owner may
read it from then on. A server that runs takes up a change of its file within two seconds.
Take a token back by taking its lines out.

FEEDS are names with commas between. One that ends in * stands for all feeds
whose names begin alike, and * alone for all.`,
		Example: `  feedserver token shipping --read orders >>tokens.toml
  feedserver token shop --append 'shop-*' >>tokens.toml
  feedserver token backup --read '*' 2>backup.token >>tokens.toml
  feedserver serve --tokens tokens.toml`,
		Args: cobra.ExactArgs(1),
	}
	read := command.Flags().StringSlice("read", nil, "`FEEDS` that it may read")
	appendTo := command.Flags().StringSlice("append", nil, "`FEEDS` that it may append to")
	command.RunE = func(command *cobra.Command, arguments []string) error {
		if len(*read)+len(*appendTo) == 0 {
			return cli.Usage("say which feeds the token is for, with --read or --append")
		}
		token, lines, err := access.NewToken(arguments[0], *read, *appendTo)
		if err != nil {
			return cli.Usage("%w", err)
		}
		keepPrivate(command.OutOrStdout())
		keepPrivate(command.ErrOrStderr())
		if _, err := io.WriteString(command.OutOrStdout(), lines); err != nil {
			return err
		}
		if _, is := terminal.Of(command.ErrOrStderr()); is {
			_, _ = terminal.Fprintf(command.ErrOrStderr(), "the token of %s, which is shown only now:\n", arguments[0])
		}
		_, err = terminal.Fprintf(command.ErrOrStderr(), "%s\n", token)
		return err
	}
	return command
}

// keepPrivate leaves a file to which w writes to its owner, if a shell has just made
// it, with the rights of its umask. One that holds something has the rights that
// somebody wants.
func keepPrivate(w io.Writer) {
	file, is := terminal.File(w)
	if !is {
		return
	}
	const othersAll = 0o077
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() && info.Size() == 0 && info.Mode()&othersAll != 0 {
		_ = file.Chmod(info.Mode().Perm() &^ othersAll) // else it is someone else's
	}
}
