package main

import (
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/progress"
	"github.com/eventfeed/eventfeed/internal/terminal"
	"github.com/eventfeed/eventfeed/seed"
)

// watch shows the progress of a run, and the report at its end.
type watch struct {
	started time.Time
	last    seed.Progress
	bar     *progress.Bar // nil where there is no terminal
	log     *progress.Log // nil where there is a bar

	health *progress.Health // for those who ask; nil if nobody can
}

// watchRun starts to show progress. From now on the command's standard error is written above the bar.
func watchRun(command *cobra.Command) *watch {
	w := &watch{started: time.Now()}
	if screen, can := progress.CanShow(command.ErrOrStderr()); can {
		w.bar = progress.NewBar(screen)
		command.SetErr(terminal.NewWriter(w.bar))
	}
	return w
}

// update sets the progress of the run.
func (w *watch) update(p seed.Progress, logger *slog.Logger) {
	w.last = p
	if w.health != nil {
		w.health.Update(p)
	}
	if w.bar != nil {
		w.bar.Update(p)
		return
	}
	if w.log == nil {
		w.log = progress.NewLog(logger, 0)
	}
	w.log.Update(p)
}

// stop stops showing progress. It may be called more than once.
func (w *watch) stop() {
	if w.bar != nil {
		w.bar.Stop()
	}
}

// leave stops showing progress and leaves the bar, for a run that ends with an error.
func (w *watch) leave() {
	if w.bar != nil {
		w.bar.Leave()
	}
}

// report writes the report of the run, and the position of each feed.
func (w *watch) report(out io.Writer) error {
	took := time.Since(w.started)
	w.stop()
	if err := progress.WriteReport(out, w.last, took); err != nil {
		return err
	}
	for i := range w.last.Feeds {
		f := &w.last.Feeds[i]
		applied := f.Applied - f.Skipped // as the report counts them
		why := ""
		if f.Empty != "" {
			why = ": " + f.Empty
		}
		_, err := terminal.Fprintf(out, "%s: %s applied %s%s\nposition %d digest %s\n",
			f.Feed, cli.Events(applied), cli.Pace(applied, took), why, f.Position, f.Digest)
		if err != nil {
			return err
		}
	}
	return nil
}
