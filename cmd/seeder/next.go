package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/eventfeed/eventfeed/internal/cli"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/refused"
	"github.com/eventfeed/eventfeed/internal/walk"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
)

// wayOn returns the next step after an error of reading a feed into a database: rewind to the last
// common position, build a new copy, or verify the feed. sinks is the sink; nil means the inbox.
//
// None of the commands may leave a mix of two histories in the database. So it suggests rewind only
// for an inbox, whose events rewind deletes; and the reset of another sink after the step that undoes
// what the sink wrote, which --undone confirms.
func wayOn(err error, config seed.Config, into string, sinks *sinkFlags) string {
	lost, isLost := errors.AsType[*seed.LostError](err)
	switch {
	case isLostEnd(err):
		return "begin another generation after a position that all consumers have, or after 0, with: " + rewindLine(err, config, into, sinks, 0)
	case errors.Is(err, seed.ErrOtherFeed) && sinks.isLog():
		return "check the URL; each feed needs a log of its own"
	case errors.Is(err, seed.ErrOtherFeed) && sinks.isInbox():
		return "check the URL; to read this feed too, use another consumer: --consumer NAME"
	case errors.Is(err, seed.ErrOtherFeed) && sinks.isPublisher():
		return "check the URL; to publish this feed too, use another consumer: --consumer NAME; if the feed was deleted and created again, " + buildAnew(config, into, sinks)
	case errors.Is(err, seed.ErrOtherFeed): // under a consumer of its own it would fill the same tables
		return "check the URL; if the feed was deleted and created again, " + buildAnew(config, into, sinks)
	case errors.Is(err, refused.ErrNoWayBack):
		return buildAnew(config, into, sinks)
	case isLost && !lost.Compared, !isLost && !errors.Is(err, walk.ErrReplaced):
		return lookAtFeed(err, config)
	case !isLost:
		return lookAtFeed(err, config) + "; if it passes, " + buildAnew(config, into, sinks)
	case sinks.isPublisher():
		return "go back to the common part, and tell the consumers with a marker, with: " + rewindLine(err, config, into, sinks, lost.Common)
	case sinks.isInbox() && lost.Common > 0:
		return "go back to the common part with: " + rewindLine(err, config, into, sinks, lost.Common)
	case sinks.isInbox():
		return buildAnew(config, into, sinks)
	default:
		return fmt.Sprintf("the consumer applied events at positions %d to %d that the feed no longer has; %s",
			lost.Common+1, lost.Position, buildAnew(config, into, sinks))
	}
}

// buildAnew returns the next step for a target that cannot be rewound.
func buildAnew(config seed.Config, into string, sinks *sinkFlags) string {
	switch {
	case sinks.isInbox():
		return "start over with: " + resetLine(config, into, sinks)
	case sinks.isLog():
		return "start over with: " + rewindLine(nil, config, into, sinks, 0)
	case sinks.isPublisher():
		return "start over with: " + resetLine(config, into, sinks) + "; consumers that have applied events compare themselves with the feed at its marker"
	case sinks.projection != "":
		return rebuild(config, into, sinks)
	default:
		return "empty what the program fills, then start over with: " + resetLine(config, into, sinks)
	}
}

func lookAtFeed(err error, config seed.Config) string {
	return "verify the feed with: seeder verify" + urlFlag("from", feedOf(err, config))
}

// feedOf returns the URL of the feed that an error is about.
func feedOf(err error, config seed.Config) string {
	if about, is := errors.AsType[*seed.FeedError](err); is {
		return about.From
	}
	return config.From[0]
}

func rewindLine(err error, config seed.Config, into string, sinks *sinkFlags, to int64) string {
	line := "seeder rewind" + urlFlag("from", feedOf(err, config)) + placeFlag(into)
	if sinks.isLog() {
		line += sinks.publish.line()
	}
	return line + fmt.Sprintf(" --to %d", to) + consumerFlag(config)
}

// resetLine returns the command that starts over. Without --undone it is refused for another sink than
// the inbox, so the caller says first what is to be undone.
func resetLine(config seed.Config, into string, sinks *sinkFlags) string {
	line := "seeder reset" + placeFlag(into) + consumerFlag(config)
	if !sinks.isInbox() && !sinks.isPublisher() {
		line += " --undone"
	}
	return line
}

// retryLine returns the command that retries the parked events of a run that are selected.
func retryLine(config seed.Config, into string, sinks *sinkFlags, of seed.ParkedFilter) string {
	line := "seeder retry" + placeFlag(into) + consumerFlag(config)
	if sinks != nil && sinks.projection != "" {
		line += " --projection " + cli.Quote(sinks.projection)
		if sinks.schema != "" {
			line += " --schema " + cli.Quote(sinks.schema)
		}
		if sinks.strict {
			line += " --strict"
		}
	}
	return line + parkedFlags(of)
}

// parkedFlags returns the flags that select parked events.
func parkedFlags(of seed.ParkedFilter) (flags string) {
	if of.Feed != "" {
		flags += " --feed " + cli.Quote(of.Feed)
	}
	if of.Subject != "" {
		flags += " --subject " + cli.Quote(of.Subject)
	}
	return flags
}

func consumerFlag(config seed.Config) string {
	if config.Consumer == seed.DefaultConsumer {
		return ""
	}
	return " --consumer " + cli.Quote(config.Consumer)
}

// urlFlag returns a flag with a URL for a shell, without a password. It is empty if the URL has a
// password and came from the environment, from which the next command gets it too.
func urlFlag(name, value string) string {
	shown := withoutPassword(value)
	if shown != value && os.Getenv("EVENTFEED_"+strings.ToUpper(name)) == value {
		return ""
	}
	return " --" + name + " " + cli.Quote(shown)
}

// secretParameter matches the names of parameters of a URL that may be secrets.
var secretParameter = regexp.MustCompile(`(?i)(password|passwd|secret|token|key|signature)$`)

// withoutPassword returns a URL without its password, which PostgreSQL can get from PGPASSWORD or
// PGPASSFILE, and without parameters that may be secrets.
func withoutPassword(raw string) string {
	u, err := url.Parse(raw)
	if strings.HasPrefix(raw, sqlitedb.Scheme) || err == nil && cli.Redact(raw) == u.String() {
		return raw
	}
	if err != nil {
		return cli.Redact(raw)
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	query := u.Query()
	for name := range query {
		if secretParameter.MatchString(name) && name != "sslkey" { // which is a path
			query.Del(name)
		}
	}
	u.RawQuery = query.Encode()
	return u.String()
}

// isLostEnd reports whether an error is of a message log that has lost its last messages.
func isLostEnd(err error) bool {
	_, is := errors.AsType[*broker.LostEndError](err)
	return is
}
