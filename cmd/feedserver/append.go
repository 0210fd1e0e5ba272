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
	"golang.org/x/term"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/intake"
	"github.com/eventfeed/eventfeed/internal/outbox"
)

func appendCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "append NAME [FILE]",
		Short: "Append CloudEvents, one JSON object a line, to a feed",
		Long: `Append CloudEvents in JSON, one object a line, to a feed: from FILE (.gz and
.zst too) or standard input. Each must have specversion, id, source and type. An
event that is there already is passed over, so the same file can be appended
again; after an error, which names the line, all lines before it are in.`,
		Example: `  feedserver append orders history.ndjson.gz
  feedserver append orders --db postgres://shop@localhost/shop < history.ndjson
  echo '{"specversion":"1.0","id":"1","source":"/shop","type":"OrderPlaced","subject":"o-1","data":{"total":5}}' |
    feedserver append orders`,
		Args: cobra.RangeArgs(1, 2),
	}
	db := databaseFlag(command)
	command.RunE = func(command *cobra.Command, arguments []string) error {
		name, in := arguments[0], intake.Input{Name: "standard input", Reader: command.InOrStdin(), Size: -1}
		if len(arguments) == 2 && arguments[1] != "-" {
			file, err := os.Open(arguments[1])
			if err != nil {
				return err
			}
			defer func() { _ = file.Close() }()
			in.Name, in.Reader = arguments[1], file
			if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
				in.Size = info.Size()
			}
		}
		log, err := openLog(command.Context(), *db, false)
		if err != nil {
			return err
		}
		defer log.Close()
		if _, err := log.Feed(command.Context(), name); err != nil {
			return fmt.Errorf("%w; make it with: feedserver create %s --db URL", err, name)
		}
		stop := showProgress(command.ErrOrStderr(), &in)
		start := time.Now()
		result, err := intake.Append(command.Context(), log, name, in)
		stop()
		if err != nil {
			hint := "mend it and run the same command again, what is in is passed over"
			switch {
			case errors.Is(err, outbox.ErrConflict):
				hint = "an event that is in a feed cannot be changed; give the new one an id of its own"
			case errors.Is(err, context.Canceled):
				hint = "run the same command again, what is in is passed over"
			}
			return fmt.Errorf("%w (%d events of this file are in; %s)", err, result.Events, hint)
		}
		_, err = fmt.Fprintf(command.OutOrStdout(), "%s: %d events appended, %d were there already, %s\n",
			name, result.Added, result.Events-result.Added, cli.Pace(int64(result.Events), time.Since(start)))
		return err
	}
	return command
}

// showProgress shows a bar of the bytes read, if w is a terminal.
func showProgress(w io.Writer, in *intake.Input) (stop func()) {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return func() {}
	}
	bar := progressbar.NewOptions64(in.Size, progressbar.OptionSetWriter(w), progressbar.OptionShowBytes(true),
		progressbar.OptionSetDescription("append"), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(), progressbar.OptionFullWidth())
	reader := progressbar.NewReader(in.Reader, bar)
	in.Reader = &reader
	return func() { _ = bar.Clear() }
}
