// Command seeder fills a database from the archived Atom feeds of other
// services, in order, each event exactly once, and keeps it up to date.
package main

import (
	"context"
	"errors"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/refused"
	"github.com/eventfeed/eventfeed/internal/walk"
	"github.com/eventfeed/eventfeed/seed"
)

func main() {
	saveMemory()
	os.Exit(cli.Main(command()))
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "seeder",
		Short: "Fill a database from archived Atom feeds, and keep it up to date",
		Long:  long, Example: examples,
	}
	endHelp(root)
	root.AddCommand(
		initCommand(), runCommand(), statusCommand(), parkedCommand(), retryCommand(), rewindCommand(), resetCommand(),
		inspectCommand(), verifyCommand(),
	)
	return root
}

// withStatus adds the exit status and the next step to an error of reading a feed.
func withStatus(err error, from, lookAt string) error {
	_, has := errors.AsType[*cli.StatusError](err)
	_, lacks := errors.AsType[*checkpoint.FeatureError](err)
	switch {
	case has: // of the target
		return err
	case errors.Is(err, seed.ErrNewFeed):
		return &cli.StatusError{Status: cli.StatusMismatch, Err: err, Next: "check the URL; to read this feed too, run the same command with --add-feed, or use another consumer: --consumer NAME"}
	case errors.Is(err, seed.ErrOtherID):
		return &cli.StatusError{Status: cli.StatusMismatch, Err: err, Next: "open the URL that the error names; if the publisher gives each document an atom:id of its own and this is the same feed, run the same command with --ignore-feed-id"}
	case errors.Is(err, refused.ErrAsOf), errors.Is(err, refused.ErrSink):
		return &cli.StatusError{Status: cli.StatusFailed, Err: err, Next: "use another database, or another consumer in this one: --consumer NAME; for a projection, use another schema: --schema NAME (PostgreSQL)"}
	case errors.Is(err, refused.ErrUntil):
		return &cli.StatusError{Status: cli.StatusFailed, Err: err, Next: "run the same command again later, or wait for that position with: --follow"}
	case lacks:
		return &cli.StatusError{Status: cli.StatusUsage, Err: err}
	case errors.Is(err, refused.ErrStart):
		return &cli.StatusError{Status: cli.StatusUsage, Err: err, Next: "start at a position that it has, or at the end: --start-at end"}
	case errors.Is(err, refused.ErrBeyond):
		return &cli.StatusError{Status: cli.StatusFailed, Err: err, Next: "use a fresh database; or go back with: seeder rewind, which deletes events only from an inbox"}
	case errors.Is(err, refused.ErrFewerFeeds):
		return &cli.StatusError{Status: cli.StatusMismatch, Err: err, Next: "run the same command with a --from for each of its feeds (seeder status lists them); to read fewer feeds, use another consumer: --consumer NAME"}
	case errors.Is(err, seed.ErrOtherFeed):
		return &cli.StatusError{Status: cli.StatusMismatch, Err: err, Next: lookAt}
	case isOld(err):
		return &cli.StatusError{Status: cli.StatusFailed, Err: err, Next: "run the same command again later; if the error stays, check the caches on the way, and whether the feed's log was restored without a new epoch (feedserver new-epoch)"}
	case errors.Is(err, seed.ErrMissing) && !errors.Is(err, seed.ErrMismatch):
		return &cli.StatusError{Status: cli.StatusFailed, Err: err, Next: "run the same command again later, nothing is known to be lost; if the error stays, check the caches on the way, and the log with: feedserver verify NAME"}
	case errors.Is(err, seed.ErrMismatch):
		if next := wayIn(err); next != lookAtURL {
			lookAt = next
		}
		return &cli.StatusError{Status: cli.StatusMismatch, Err: err, Next: lookAt}
	case errors.Is(err, seed.ErrHeld), errors.Is(err, seed.ErrMoved):
		return &cli.StatusError{Status: cli.StatusHeld, Err: err, Next: "stop the other seeder first; or use another database, or, on PostgreSQL, another consumer: --consumer NAME"}
	case errors.Is(err, refused.ErrNoWayBack):
		return &cli.StatusError{Status: cli.StatusFailed, Err: err, Next: lookAt}
	case errors.Is(err, walk.ErrNotFeed):
		return &cli.StatusError{Status: cli.StatusFailed, Err: err, Next: "check the URL" + orMayNot(err) + "; an eventfeed server lists its feeds at " + rootOf(from)}
	case errors.Is(err, fetch.ErrGaveUp):
		return &cli.StatusError{Status: cli.StatusFailed, Err: err, Next: "run the same command again once the server answers; set the retry timeout with: --patience DURATION"}
	case isFetch(err):
		return &cli.StatusError{Status: cli.StatusFailed, Err: err, Next: wayIn(err)}
	default:
		return err
	}
}

// orMayNot adds to an error of status 404 with credentials that the token may not be allowed to read
// the feed, because the server then answers 404.
func orMayNot(err error) string {
	if fetch.IsMissing(err) && fetch.WasShown(err) {
		return "; or this token may not read it"
	}
	return ""
}

func isFetch(err error) bool {
	_, is := errors.AsType[*fetch.Error](err)
	return is && !errors.Is(err, context.Canceled)
}

func isOld(err error) bool {
	_, is := errors.AsType[*seed.OldError](err)
	return is
}

// rootOf returns the root URL of a feed's server, which may be below a path of its host.
func rootOf(from string) string {
	u, err := url.Parse(from)
	if err != nil {
		return "its root"
	}
	root, _, isFeed := strings.Cut(u.Path, "/feeds/")
	if !isFeed {
		root = ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: root + "/"}).String()
}
