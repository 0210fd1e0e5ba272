package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/refused"
	"github.com/eventfeed/eventfeed/internal/terminal"
	"github.com/eventfeed/eventfeed/seed"
)

func rewindCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "rewind --from URL --into URL --to POSITION",
		Short: "Go back to an earlier position, after a restore of the feed",
		Long: `Move a consumer's checkpoint back to an earlier position, and delete the later events from the inbox
and the parked events, in one transaction. Use it after a feed has lost events that were read already.`,
		Example: `  seeder rewind --from http://127.0.0.1:8080/feeds/orders --into sqlite:shipping.db --to 120
  seeder rewind --from https://shop.example/feeds/orders --into postgres://shipping@localhost/shipping --to 120 --yes`,
		Args: cobra.NoArgs,
	}
	flags := command.Flags()
	var config seed.Config
	from := flags.String("from", "", "`URL` of the feed")
	into := flags.String("into", "", "`URL` of the target database: sqlite:PATH or postgres://USER@HOST:PORT/NAME")
	to := flags.Int64("to", 0, "`POSITION` to go back to; 0 is before the first event; seeder run names it")
	flags.StringVar(&config.Consumer, "consumer", seed.DefaultConsumer, "`NAME` of the consumer")
	flags.BoolVar(&config.Undone, "undone", false, "confirm that you have undone what a projection, a program or a handler wrote for the later events")
	cli.Own(flags, "undone")
	yes := flags.Bool("yes", false, "do not ask")
	var broker brokerFlags
	broker.addRoute(command)
	broker.add(command, "`URL` of the message log that the feed is published to, instead of --into")
	network := networkFlags(command)
	cli.GroupFlags(command, "Feed and database or broker: from into publish route consumer to", "Confirmation: undone yes", accessGroup, brokerGroup, "Feeds not served by eventfeed: max-document")
	cli.HelpEnd(command, "It does not touch the tables of a projection: build a new one beside the old one instead.\nSee docs/commands.md#seeder-rewind and docs/operations.md.")
	command.RunE = func(command *cobra.Command, _ []string) error {
		switch _, err := fetch.ParseURL(*from); {
		case *from == "":
			return cli.Usage("--from is missing: the URL of the feed")
		case err != nil:
			return cli.Usage("--from: %w", err)
		case !flags.Changed("to"):
			return cli.Usage("--to is missing: the position to go back to")
		case *to < 0:
			return cli.Usage("--to %d: must not be below 0", *to)
		}
		target, closeTarget, err := rewound(command, into, &broker)
		if err != nil {
			return err
		}
		defer closeTarget()
		config.From, config.Into, config.Logger = []string{*from}, target, cli.Logger(command.ErrOrStderr())
		if err := network.configure(&config); err != nil {
			return err
		}
		err = seed.Rewind(command.Context(), config, *to, func(changes []seed.Change) error {
			return confirm(command, changes, *yes)
		})
		if errors.Is(err, refused.ErrPosition) {
			return cli.Usage("--to: %w", err)
		}
		if err != nil {
			return withStatus(orUndone(explained(err, *into)), *from, wayOn(err, config, *into, appliedBy(command.Context(), *into, config.Consumer)))
		}
		_, err = terminal.Fprintf(command.OutOrStdout(), "done; seeder run continues from there\n")
		return err
	}
	return command
}

// rewound returns the database or the message log to go back in. It sets into to the URL of a log.
func rewound(command *cobra.Command, into *string, broker *brokerFlags) (target seed.Target, closeTarget func(), err error) {
	if err := broker.check(command); err != nil {
		return target, nil, err
	}
	switch {
	case broker.url == "":
		return openTarget(command.Context(), *into)
	case !isLog(broker.url):
		return target, nil, cli.Usage("--publish: the checkpoint of a publisher to %s is in its database: use --into", kindOf(broker.url))
	case cli.Given(command, "into"), cli.Given(command, "consumer"), cli.Given(command, "undone"):
		return target, nil, cli.Usage("--publish: goes together with none of --into, --consumer and --undone")
	}
	*into = broker.url
	target, err = broker.log(command)
	return target, func() {}, err
}

// appliedBy returns the sink of a consumer: the flags of its run, as far as the target stores them. It
// returns the inbox if the target cannot be read.
func appliedBy(ctx context.Context, into, consumer string) *sinkFlags {
	sinks := &sinkFlags{}
	if isLog(into) {
		return &sinkFlags{publish: &publishFlags{brokerFlags: brokerFlags{url: into}}}
	}
	target, done, err := lookAt(ctx, into)
	if err != nil {
		return sinks
	}
	defer done()
	all, err := target.Statuses(ctx)
	if err != nil {
		return sinks
	}
	for i := range all {
		is := &all[i].Consumer
		switch {
		case is.Name != consumer:
		case is.Sink == checkpoint.SinkPublisher:
			return &sinkFlags{publish: &publishFlags{brokerFlags: brokerFlags{url: is.PublishesTo}}}
		case is.Sink == checkpoint.SinkProjection:
			return &sinkFlags{projection: is.Projection, schema: is.Schema}
		case is.Sink != checkpoint.SinkInbox:
			return &sinkFlags{program: is.Sink}
		}
	}
	return sinks
}

// confirm prints the changes, and asks whether to make them.
func confirm(command *cobra.Command, changes []seed.Change, yes bool) error {
	for _, c := range changes {
		if _, err := terminal.Fprintf(command.OutOrStdout(), "%s\n", describe(c)); err != nil {
			return err
		}
	}
	return cli.Confirm(command, yes)
}

func describe(c seed.Change) string {
	if c.Log != "" && c.From == c.To {
		return fmt.Sprintf("publication of feed %s (%s) to %s: another generation begins with a marker at position %d; no message is deleted, and consumers that have applied more compare themselves with the feed there",
			c.Feed, c.FeedID, c.Log, c.To)
	}
	if c.Log != "" {
		return fmt.Sprintf("publication of feed %s (%s) to %s: position %d, goes back to %d: another generation begins with a marker at position %d; no message is deleted, and consumers that have applied more compare themselves with the feed there",
			c.Feed, c.FeedID, c.Log, c.From, c.To, c.To)
	}
	text := fmt.Sprintf("consumer %s, feed %s (%s): the checkpoint ", c.Consumer, c.Feed, c.FeedID)
	if c.Deleted {
		text += fmt.Sprintf("at position %d is deleted, so that the next run starts at position 1; ", c.From)
	} else {
		text += fmt.Sprintf("moves from position %d back to %d; ", c.From, c.To)
	}
	if c.Events > 0 && !c.Deleted && !c.Compared {
		text += fmt.Sprintf("%s does not hold all events up to there, so they were not compared with the feed; ", c.Inbox)
	}
	switch {
	case c.Parked == 1:
		text += "1 parked event is deleted; "
	case c.Parked > 1:
		text += fmt.Sprintf("%d parked events are deleted; ", c.Parked)
	}
	switch {
	case c.Events == 1:
		text += "1 event is deleted from " + c.Inbox
	case c.Sink == checkpoint.SinkPublisher && c.Deleted:
		text += "consumers that have got messages compare themselves with the feed at the marker of the new publication"
	case c.Sink == checkpoint.SinkPublisher:
		text += fmt.Sprintf("the next run begins another generation with a marker at position %d; consumers that have applied more compare themselves with the feed there", c.To)
	case c.From == c.To && c.Events == 0 && c.Sink != "" && c.Sink != checkpoint.SinkInbox:
		text += fmt.Sprintf("%s has applied no event after position %d", writer(c), c.To)
	case c.Sink == checkpoint.SinkInbox || c.Events > 1 || c.From == c.To:
		text += fmt.Sprintf("%d events are deleted from %s", c.Events, c.Inbox)
	default:
		text += fmt.Sprintf("what %s wrote for positions %d to %d has been undone, as --undone says", writer(c), c.To+1, c.From)
	}
	return text
}

// writer returns the name of a consumer's sink.
func writer(c seed.Change) string {
	switch {
	case c.Projection != "":
		return "the projection " + c.Projection
	case c.Sink == "program":
		return "the program"
	default:
		return "the handler"
	}
}

// orUndone adds the next step to a NotUndoneError.
func orUndone(err error) error {
	refused, is := errors.AsType[*seed.NotUndoneError](err)
	if !is {
		return err
	}
	next := "undo that first, then run the same command again with: --undone"
	if refused.Projection != "" {
		next = "build a new copy beside it, with seeder run and --schema NAME (PostgreSQL) or in another file (SQLite); or " + next
	}
	return &cli.StatusError{Status: cli.StatusUsage, Err: err, Next: next}
}
