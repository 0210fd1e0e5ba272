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
		Short: "Create an access token for feeds",
		Long: `Create a token with which NAME may read feeds, or append to them, on a server that runs with --tokens.
The token goes to standard error, once; lines for the server's token file go to standard output.`,
		Example: `  feedserver token shipping --read orders >>tokens.toml
  feedserver token shop --append 'shop-*' >>tokens.toml
  feedserver token backup --read '*' 2>backup.token >>tokens.toml`,
		Args: cobra.ExactArgs(1),
	}
	read := command.Flags().StringSlice("read", nil, "`FEEDS` that the token may read, comma-separated")
	appendTo := command.Flags().StringSlice("append", nil, "`FEEDS` that the token may append to, comma-separated")
	cli.HelpEnd(command, "FEEDS are names; shop-* is every feed whose name begins with shop-, and * is every feed.\nTo revoke a token, delete its lines from the file.\nSee docs/commands.md#feedserver-token.")
	command.RunE = func(command *cobra.Command, arguments []string) error {
		if len(*read)+len(*appendTo) == 0 {
			return cli.Usage("--read or --append is required: the feeds that the token is for")
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
			_, _ = terminal.Fprintf(command.ErrOrStderr(), "the token of %s, shown only once:\n", arguments[0])
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
