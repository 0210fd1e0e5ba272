//go:build unix

package cmd_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/site"
	"github.com/eventfeed/eventfeed/internal/site/folder"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testbucket"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/internal/testing/testproxy"
)

// exporting starts an export that follows.
func exporting(t *testing.T, log, place string, environment []string) *exec.Cmd {
	t.Helper()
	command := exec.CommandContext(context.WithoutCancel(t.Context()), filepath.Join(programs, "feedserver"),
		"export", "orders", "--db", log, "--site", place, "--public", "--follow", "--interval", "1ms")
	command.Env = append(os.Environ(), environment...)
	must.OK(t, command.Start())
	t.Cleanup(func() { _ = command.Process.Kill() }) // where the test ends before it does so
	return command
}

// kill kills a process at a random moment.
func kill(t *testing.T, command *exec.Cmd) {
	t.Helper()
	time.Sleep(time.Duration(rand.IntN(150)) * time.Millisecond)
	must.OK(t, command.Process.Kill())
	_ = command.Wait()
}

// Two exporters at a time are killed again and again, and the bucket's connections with them. The bucket
// itself is not killed: versitygw can then be left with an object that it neither has nor lets one write.
func TestASiteIsWholeHoweverOftenItsExportersAreKilled(t *testing.T) {
	t.Parallel()
	environment := []string{"AWS_ACCESS_KEY_ID=" + testbucket.AccessKey, "AWS_SECRET_ACCESS_KEY=" + testbucket.SecretKey}
	t.Run("folder", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "site")
		f, err := folder.Open(path, true)
		must.OK(t, err)
		killExporters(t, path, nil, f.Get, func() {})
	})
	t.Run("bucket", func(t *testing.T) {
		t.Parallel()
		server := testbucket.Own(t)
		name := server.Bucket(t)
		server.Publish(t, name)
		proxy := testproxy.NewFaulty(t, server.Address())
		place := fmt.Sprintf("s3://%s?endpoint=http://%s&region=us-east-1", name, proxy.Address())
		killExporters(t, place, environment, func(ctx context.Context, key string) (site.Stored, error) {
			return get(ctx, "http://"+server.Address()+"/"+name+"/"+key)
		}, func() {
			proxy.Down()
			time.Sleep(time.Duration(rand.IntN(100)) * time.Millisecond)
			proxy.Up()
		})
	})
}

func killExporters(t *testing.T, place string, environment []string, get func(context.Context, string) (site.Stored, error), outage func()) {
	t.Helper()
	url := testdb.SQLite(t)
	l := storetest.Open(t, url)
	storetest.Create(t, l, "orders", 5)
	at := 0
	for range 6 {
		one, two := exporting(t, url, place, environment), exporting(t, url, place, environment)
		for range 3 {
			storetest.Append(t, l, "orders", storetest.Events(at+1, at+40))
			at += 40
			storetest.Drain(t, l, "orders")
		}
		kill(t, one)
		outage()
		kill(t, two)
	}
	last := exec.CommandContext(t.Context(), filepath.Join(programs, "feedserver"), "export", "orders", "--db", url, "--site", place, "--public")
	last.Env = append(os.Environ(), environment...)
	if out, err := last.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	wantExported(t, l, get)
}

// get gets a document as a reader does.
func get(ctx context.Context, url string) (stored site.Stored, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return stored, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return stored, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return stored, fmt.Errorf("%s: %s", url, response.Status)
	}
	stored.Body, err = io.ReadAll(response.Body)
	return stored, err
}

// wantExported wants a site to have each document of the log.
func wantExported(t *testing.T, l *store.Log, get func(context.Context, string) (site.Stored, error)) {
	t.Helper()
	f, d, err := l.Subscription(t.Context(), "orders", nil)
	must.OK(t, err)
	onSite := *d
	onSite.Site = true
	stored, err := get(t.Context(), "feeds/orders.atom")
	must.OK(t, err)
	if !bytes.Equal(stored.Body, feed.AppendDocument(nil, &onSite)) {
		t.Errorf("the subscription document differs:\n%s", stored.Body)
	}
	var before feed.Digest
	for number := int64(1); number <= f.Archives; number++ {
		page := feed.Page{Epoch: feed.EpochOfPage(f.Epochs, number), Number: number}
		stored, err := get(t.Context(), strings.TrimPrefix(feed.ArchivePath("orders", page), "/"))
		must.OK(t, err)
		d, err := feed.Decode(stored.Body)
		must.OK(t, err)
		if number > 1 && d.DigestBefore != before || (d.Next == nil) != (number == f.Archives) {
			t.Errorf("archive %d does not follow the one before it", number)
		}
		before = d.DigestAfter
	}
	if before == (feed.Digest{}) {
		t.Error("there is no archive")
	}
}

// What an export shows is what the site has.
func TestOperatorsSeeWhatAnExportDoes(t *testing.T) {
	t.Parallel()
	url := testdb.SQLite(t)
	l := storetest.Open(t, url)
	storetest.Create(t, l, "orders", 5)
	storetest.Append(t, l, "orders", storetest.Events(1, 23))
	storetest.Drain(t, l, "orders")
	path := filepath.Join(t.TempDir(), "site")
	o := launch(t, "feedserver", []string{
		"export", "orders", "--db", url, "--site", path, "--private", "--follow", "--interval", "10ms", "--operations-listen", "127.0.0.1:0",
	}, func(o *operated) bool { return o.private != "" })
	o.waitReady(t, http.StatusOK)
	families := o.waitFor(t, "eventfeed_export_position", 23)
	for name, want := range map[string]float64{
		"eventfeed_export_up": 1, "eventfeed_export_head": 23, "eventfeed_export_behind_events": 0, "eventfeed_export_archives": 4, "eventfeed_export_written_documents_total": 5,
	} {
		if got := value(families[name]); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	wantTyped(t, families)
	wantDocumented(t, families, func(name string) bool { return strings.HasPrefix(name, "eventfeed_export_") })
	for _, query := range []string{"", "?format=html", "?format=json"} {
		if status, body := ask(t, o.private+"/"+query); status != http.StatusOK || !strings.Contains(body, path) {
			t.Errorf("%q: %d\n%s", query, status, body)
		}
	}
	storetest.Append(t, l, "orders", storetest.Events(24, 30))
	storetest.Drain(t, l, "orders")
	o.waitFor(t, "eventfeed_export_position", 30)
	must.OK(t, o.process.Process.Signal(os.Interrupt))
	if err := <-o.ended; err != nil {
		t.Errorf("it ended with %v: %s", err, o.logged())
	}
}
