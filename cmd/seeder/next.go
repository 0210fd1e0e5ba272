package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/sqlitedb"
	"github.com/eventfeed/eventfeed/internal/walk"
	"github.com/eventfeed/eventfeed/seed"
)

// wayOn says what leads on from an error of reading a feed into a database:
// back to what both have in common, anew, or to see what is wrong with the feed.
func wayOn(err error, config seed.Config, into string) string {
	lost, is := errors.AsType[*seed.LostError](err)
	switch {
	case errors.Is(err, seed.ErrNoWayBack):
		return "begin anew with: " + resetLine(config, into)
	case errors.Is(err, walk.ErrReplaced):
		return lookAtFeed(config) + "; if it adds up, begin anew with: " + resetLine(config, into)
	case !is:
		return lookAtFeed(config)
	case lost.Known:
		return "go back to the common part with: " + rewindLine(config, into, lost.Common)
	default:
		return "begin anew with: " + resetLine(config, into)
	}
}

func lookAtFeed(config seed.Config) string {
	return "look at the feed with: seeder verify --from " + cli.Redact(feedOf(config))
}

// feedOf is the feed's URL; of several it stands for the one that is at fault,
// which the error names.
func feedOf(config seed.Config) string {
	if len(config.From) == 1 {
		return config.From[0]
	}
	return "URL"
}

func rewindLine(config seed.Config, into string, to int64) string {
	return "seeder rewind" + urlFlag("from", feedOf(config)) + urlFlag("into", into) + fmt.Sprintf(" --to %d", to) + consumerFlag(config)
}

func resetLine(config seed.Config, into string) string {
	return "seeder reset" + urlFlag("into", into) + consumerFlag(config)
}

func consumerFlag(config seed.Config) string {
	if config.Consumer == seed.DefaultConsumer {
		return ""
	}
	return " --consumer " + cli.Quote(config.Consumer)
}

// urlFlag is a flag as it can be copied to a shell, without a password. Where
// the URL has one and came from the environment it comes from there again.
func urlFlag(name, value string) string {
	shown := withoutPassword(value)
	if shown != value && os.Getenv("EVENTFEED_"+strings.ToUpper(name)) == value {
		return ""
	}
	return " --" + name + " " + cli.Quote(shown)
}

// withoutPassword returns a URL that asks for the password that it had: one
// from PGPASSWORD or PGPASSFILE will do for PostgreSQL.
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
	query.Del("password")
	query.Del("sslpassword")
	u.RawQuery = query.Encode()
	return u.String()
}
