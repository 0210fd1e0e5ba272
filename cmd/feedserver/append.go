package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/db/explain"
	"github.com/eventfeed/eventfeed/internal/ingest"
	"github.com/eventfeed/eventfeed/internal/terminal"
	"github.com/eventfeed/eventfeed/outbox"
)

func appendCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "append NAME [FILE]",
		Short: "Append CloudEvents from a file to a feed",
		Long: `Append CloudEvents in JSON, one object a line, to a feed: from FILE (also .gz and .zst) or from
standard input. Events that the feed has already are skipped, so you can append the same file again.`,
		Example: `  feedserver append orders history.ndjson.gz
  feedserver append orders --db postgres://feedserver@localhost/shop < history.ndjson
  echo '{"specversion":"1.0","id":"1","source":"/shop","type":"OrderPlaced","subject":"o-1","data":{"total":5}}' |
    feedserver append orders`,
		Args: cobra.RangeArgs(1, 2),
	}
	db := databaseFlag(command)
	cli.HelpEnd(command, "After an error, which names the line, all lines before it are appended.\nSee docs/commands.md#feedserver-append.")
	command.RunE = func(command *cobra.Command, arguments []string) error {
		name, in := arguments[0], ingest.Input{Name: "standard input", Reader: command.InOrStdin(), Size: -1}
		if len(arguments) == 2 && arguments[1] != "-" {
			file, err := os.Open(arguments[1])
			if err != nil {
				return err
			}
			defer func() { _ = file.Close() }()
			in.Name, in.Reader = arguments[1], file
			info, err := file.Stat()
			switch {
			case err == nil && info.IsDir():
				return fmt.Errorf("%s is a directory; name a file of CloudEvents, one JSON object a line", in.Name)
			case err == nil && info.Mode().IsRegular():
				in.Size = info.Size()
			}
		}
		log, err := openLog(command.Context(), *db, false)
		if err != nil {
			return err
		}
		defer log.Close()
		if _, err := log.Feed(command.Context(), name); err != nil {
			return err
		}
		stop := showProgress(command.ErrOrStderr(), &in)
		start := time.Now()
		result, err := ingest.Append(command.Context(), log, name, in)
		stop()
		if err != nil {
			return refusal(err, *db, result)
		}
		there := ""
		if n := result.Events - result.Added; n > 0 {
			there = fmt.Sprintf(", %d duplicates skipped,", n)
		}
		_, err = terminal.Fprintf(command.OutOrStdout(), "%s: %s appended%s %s\n",
			name, cli.Events(int64(result.Added)), there, cli.Pace(int64(result.Events), time.Since(start)))
		return err
	}
	feedArgument(command)
	return command
}

// refusal says after an error how much of the input is in, and what leads on.
func refusal(err error, url string, result ingest.Result) error {
	mend := "fix that, then run the same command again"
	if known := explain.Of(err).Next; known != "" {
		mend = known + "; " + mend
	}
	_, isLine := errors.AsType[*ingest.LineError](err)
	switch {
	case errors.Is(err, outbox.ErrConflict):
		mend = "a published event cannot be changed: give this one a new id or remove the line, then run the same command again"
	case errors.Is(err, io.ErrUnexpectedEOF):
		mend = "get the complete file, then run the same command again"
	case isLine:
		mend = "fix the line, then run the same command again"
	case errors.Is(err, context.Canceled):
		mend = "run the same command again to continue"
	}
	switch result.Events {
	case 0:
	case 1:
		mend = "the event before it was appended; " + mend + ": events that the feed has already are skipped"
	default:
		mend = fmt.Sprintf("the %d events before it were appended; %s: events that the feed has already are skipped", result.Events, mend)
	}
	return &cli.StatusError{Status: cli.StatusFailed, Err: meaning(err, url), Next: mend}
}

// showProgress shows a bar of the bytes read, if w is a terminal.
func showProgress(w io.Writer, in *ingest.Input) (stop func()) {
	file, is := terminal.Of(w)
	if !is {
		return func() {}
	}
	bar := progressbar.NewOptions64(in.Size, progressbar.OptionSetWriter(file), progressbar.OptionShowBytes(true),
		progressbar.OptionSetDescription("append"), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(), progressbar.OptionFullWidth())
	reader := progressbar.NewReader(in.Reader, bar)
	in.Reader = &reader
	return func() { _ = bar.Clear() }
}
