// Command crawler follows every link of a feed's pages, as search engines do that obey nothing, and
// tells how long each kind of page took.
//
//	go run ./test/crawler -from http://127.0.0.1:8080/feeds/fines -rate 10 -duration 1m
package main

import (
	"context"
	"flag"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	from := flag.String("from", "", "the feed's `URL`; only pages below it are read")
	rate := flag.Int("rate", 10, "requests a `second`, at most")
	duration := flag.Duration("duration", 24*time.Hour, "for how long, if it is not interrupted")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *duration)
	defer cancel()
	c := newCrawler(*from)
	c.run(ctx, *rate)
	c.report()
}

// atOnce is the maximum number of requests that have no answer yet. If the server does not keep up,
// the crawler gets slower.
const atOnce = 50

// run requests pages until ctx is done.
func (c *crawler) run(ctx context.Context, rate int) {
	ticker := time.NewTicker(time.Second / time.Duration(rate))
	defer ticker.Stop()
	free := make(chan struct{}, atOnce)
	defer func() { // waits for all answers
		for range atOnce {
			free <- struct{}{}
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		address, found := c.next()
		if !found {
			continue // answers that are to come may have links
		}
		free <- struct{}{}
		go func() {
			defer func() { <-free }()
			c.visit(ctx, address)
		}()
	}
}

// client follows no redirects: where they lead is a link like others.
var client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
