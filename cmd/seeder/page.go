package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/httpd/operations"
	"github.com/eventfeed/eventfeed/internal/progress"
	"github.com/eventfeed/eventfeed/internal/terminal"
	"github.com/eventfeed/eventfeed/internal/version"
	"github.com/eventfeed/eventfeed/seed"
)

// runPage is the page of a run, at the root of --listen. It takes from memory all but the list of
// parked events, which is in the target.
type runPage struct {
	config seed.Config
	into   string
	sinks  *sinkFlags
	health *progress.Health
	parked *parkedReader
	paths  []string

	process html.SeederProcess
	again   string   // the command that starts the run again
	secret  []string // what again lacks
}

func newRunPage(command *cobra.Command, run *runFlags, health *progress.Health, profiles bool) *runPage {
	config := run.config // the run's own may change
	p := &runPage{config: config, into: run.into, sinks: run.sinks, health: health, paths: []string{"/healthz", "/readyz", "/metrics"}, process: thisProcess()}
	p.again, p.secret = againLine(command)
	if profiles {
		p.paths = append(p.paths, "/debug/pprof/")
	}
	p.parked = &parkedReader{read: func(ctx context.Context) (failed failedEvents, err error) {
		target, done, err := lookAt(ctx, run.into)
		if err != nil {
			return failed, err
		}
		defer done()
		if failed.first, err = target.FailedParked(ctx, config.Consumer, shownParked+1); err == nil {
			failed.counts, err = target.Failures(ctx, config.Consumer)
		}
		return failed, err
	}}
	return p
}

// render writes the page in a form.
func (p *runPage) render(_ context.Context, form operations.Form) ([]byte, error) {
	state := p.state()
	switch form {
	case operations.HTML:
		return html.SeederPage(state)
	case operations.JSON:
		text, err := json.MarshalIndent(state, "", "  ")
		return append(terminal.JSON(text), '\n'), err
	default:
		var b bytes.Buffer
		err := progress.WriteState(&b, state)
		return b.Bytes(), err
	}
}

// state returns the state of the run, with the next command for everything that is wrong.
func (p *runPage) state() *html.Seeder {
	s := p.health.State(cli.ErrorText)
	s.Consumer, s.Target, s.Version = p.config.Consumer, cli.Redact(p.into), version.Read().String()
	if p.sinks.isLog() { // whose name may be a parameter
		s.Target = withoutPassword(p.into)
	}
	s.Sink, s.SinkWords = p.sink()
	s.DryRun, s.Paths, s.Process = p.config.DryRun, p.paths, p.process
	for i := range s.Feeds {
		s.Feeds[i].URL = cli.Redact(s.Feeds[i].URL)
	}
	if len(s.Feeds) == 0 {
		for _, from := range p.config.From {
			s.Feeds = append(s.Feeds, html.SeederFeed{URL: cli.Redact(from), Done: "–", Rate: "–", AverageRate: "–", LeftTime: "–", LagWords: "–"})
		}
	}
	for i := range s.Troubles {
		p.advise(&s.Troubles[i])
	}
	if (s.Events.Skipped > 0 || len(s.Unmatched) > 0) && p.sinks.projection != "" {
		s.Rebuild, s.RebuildNote = rebuildLine(p.config, p.into, p.sinks), strings.TrimSpace(notShown(p.sinks.accessSecret))
	}
	if !p.sinks.isLog() { // which has no parked events
		s.Parked.Inspect, s.Parked.Retry = parkedLine(p.config, p.into), retryLine(p.config, p.into, p.sinks, seed.ParkedFilter{})
	}
	if s.Parked.Events > 0 && !p.config.DryRun {
		p.listParked(&s.Parked)
		s.Parked.Steps = p.steps(s.Parked.Retry)
	}
	s.Sentence = progress.Sentence(s)
	return s
}

// sink returns the kind of the sink, with the file of a projection, and the same in words. A
// program's command may hold a password.
func (p *runPage) sink() (kind, inWords string) {
	file, schema := p.sinks.projection, p.sinks.schema
	switch {
	case p.sinks.isLog():
		return checkpoint.SinkPublisher, string(kindOf(p.sinks.publish.url)) + ", which holds the checkpoint too"
	case p.sinks.isPublisher():
		return checkpoint.SinkPublisher, "a message broker, " + withoutPassword(p.sinks.publish.url)
	case p.sinks.program != "":
		return checkpoint.SinkProgram, "a program (--exec)"
	case file != "" && schema != "":
		return fmt.Sprintf("%s %s in schema %s", checkpoint.SinkProjection, file, schema), fmt.Sprintf("tables in schema %s, by the SQL in %s (the projection)", schema, file)
	case file != "":
		return checkpoint.SinkProjection + " " + file, fmt.Sprintf("tables, by the SQL in %s (the projection)", file)
	default:
		return checkpoint.SinkInbox, "the inbox, a table of events"
	}
}

// advise adds what to do about a trouble.
func (p *runPage) advise(t *html.SeederTrouble) {
	status, offline := "seeder status"+placeFlag(p.into), " --offline"
	if isLog(p.into) {
		status, offline = status+urlFlag("from", p.config.From[0]), ""
	}
	switch t.Kind {
	case html.SeederHeld:
		t.Advice, t.Command = "The run goes on when the other seeder stops. This shows which process it is, under HELD BY:", status+offline
	case "target":
		what := "the database"
		switch {
		case p.sinks.isLog():
			what = "the broker"
		case p.sinks.isPublisher():
			what = "the database or the broker"
		}
		t.Advice, t.Command = "The run retries by itself. Repair "+what+", or the way to it, and check it with:", status+offline
	case "server":
		t.Advice, t.Command = "The run retries by itself. Repair the server, or the way to it, and check it with:", p.inspectLine(t.About)
	default:
		t.Advice, t.Command = "The table of the time says where it goes: pages is the feed's server, apply and commit are the target. The lag by the feed's own times is shown by:", status
	}
}

// inspectLine returns the command that asks a server as the run does, without its credentials.
func (p *runPage) inspectLine(origin string) string {
	for _, from := range p.config.From {
		if u, err := fetch.ParseURL(from); err == nil && u.Scheme+"://"+u.Host == origin {
			return "seeder inspect " + cli.Quote(withoutPassword(from))
		}
	}
	return "curl -I " + cli.Quote(origin+"/")
}

// shownParked is the maximum number of parked events on the page.
const shownParked = 50

func (p *runPage) listParked(s *html.SeederParked) {
	failed, at, err := p.parked.list()
	if err != nil {
		s.Error = cli.ErrorText(explained(err, p.into))
	}
	if at.IsZero() {
		return
	}
	s.Read = &at
	counts, list := &failed.counts, failed.first
	s.FailedEvents, s.Entities, s.MoreErrors = counts.Events, counts.Entities, counts.Errors-int64(len(counts.Frequent))
	if counts.Events > checkpoint.MaxFailures {
		s.FailedEvents, s.MoreFailed = checkpoint.MaxFailures, true
	}
	for _, one := range counts.Frequent {
		s.Errors = append(s.Errors, html.SeederError{Error: cli.ErrorText(parkedError(one.Error)), Events: one.Events, Example: exampleOf(&one)})
	}
	s.More = len(list) > shownParked
	for i := range list[:min(len(list), shownParked)] {
		e := &list[i]
		of := seed.ParkedFilter{Feed: e.Feed, Subject: e.Subject}
		s.Failed = append(s.Failed, html.SeederParkedEvent{
			Feed: e.Feed, Position: e.Position, ID: e.ID, Type: e.Type, Subject: e.Subject,
			Error: cli.ErrorText(parkedError(e.Error)), Attempts: e.Attempts, Since: e.Since.UTC(),
			Inspect: parkedLine(p.config, p.into) + parkedFlags(of), Retry: retryLine(p.config, p.into, p.sinks, of),
		})
	}
}

// exampleOf returns the example of a failure, with what its error has beyond that of the others.
func exampleOf(f *checkpoint.Failure) html.SeederExample {
	e := &f.Example
	example := html.SeederExample{Feed: e.Feed, Position: e.Position, Type: e.Type, Subject: e.Subject, IsLong: f.IsCut}
	if !f.IsCut {
		example.Data = html.ExampleData(&e.Event)
	}
	if detail, has := strings.CutPrefix(e.Error, f.Error+"; "); has {
		example.Detail = cli.ErrorText(parkedError(detail))
	}
	return example
}

// parkedError is the error of a parked event, as the target has it.
type parkedError string

func (e parkedError) Error() string { return string(e) }

// How often the target is asked for its parked events at most, however many look at the page, and
// for how long an answer is waited for.
const (
	parkedEvery = 3 * time.Second
	parkedLimit = 2 * time.Second
)

// failedEvents are the parked events that failed themselves: the first ones, and counts.
type failedEvents struct {
	first  []checkpoint.Parked
	counts checkpoint.Failures
}

// parkedReader reads the parked events of a target, on a connection of its own, so that the run
// neither waits for it nor shares its connections.
type parkedReader struct {
	read func(ctx context.Context) (failedEvents, error)

	mu    sync.Mutex
	asked time.Time
	found failedEvents
	at    time.Time // when found was read; zero if it never was
	err   error     // of the last attempt
}

// list returns what was read last, and when. While the target does not answer, that stays what it
// was, with the error.
func (r *parkedReader) list() (found failedEvents, at time.Time, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.asked) < parkedEvery {
		return r.found, r.at, r.err
	}
	ctx, cancel := context.WithTimeout(context.Background(), parkedLimit)
	defer cancel()
	found, r.err = r.read(ctx)
	r.asked = time.Now()
	if r.err == nil {
		r.found, r.at = found, r.asked.UTC()
	}
	return r.found, r.at, r.err
}
