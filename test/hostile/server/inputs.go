package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// input is what clients do to a server.
type input struct {
	name   string
	attack func(c *clients)
}

const (
	structured = "application/cloudevents+json"
	batch      = "application/cloudevents-batch+json"
	lines      = "application/x-ndjson"
)

func pause(*clients) { time.Sleep(settle) }

// then does one thing after the other.
func then(steps ...func(c *clients)) func(c *clients) {
	return func(c *clients) {
		for _, step := range steps {
			step(c)
		}
	}
}

// together does all at once.
func together(parts ...func(c *clients)) func(c *clients) {
	return func(c *clients) {
		var all sync.WaitGroup
		for _, part := range parts {
			all.Go(func() { part(c) })
		}
		all.Wait()
	}
}

// slow are n readers that take nothing of the body.
func slow(n int, path func(c *clients, i int) string) func(c *clients) {
	return func(c *clients) { each(n, 20, func(i int) { c.slowly(path(c, i)) }) }
}

func always(path string) func(*clients, int) string {
	return func(*clients, int) string { return path }
}

func eventIn(format string) func(*clients, int) string {
	return func(_ *clients, i int) string {
		return fmt.Sprintf("/feeds/big/events/%d?format=%s", i%largeEvents, format)
	}
}

// archive is one of the feed's archives; its epoch is read from the server.
func archive(c *clients, i int) string {
	c.server.once.Do(func() {
		response, err := get("http://" + c.server.address + "/feeds/big")
		if err != nil {
			return
		}
		defer func() { _ = response.Body.Close() }()
		text, _ := io.ReadAll(response.Body)
		_, after, _ := strings.Cut(string(text), "archive/")
		c.server.epoch, _, _ = strings.Cut(after, "/")
	})
	return fmt.Sprintf("/feeds/big/archive/%s/%d", c.server.epoch, 1+i%(largeEvents-1))
}

func held(n int, more func(i int) string) func(c *clients) {
	return func(c *clients) { c.held(n, more) }
}

func long(n int) func(int) string {
	return func(int) string { return "X-Pad: " + strings.Repeat("a", n) + "\r\n" }
}

func many(n int) func(int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "a%x:\r\n", i)
	}
	return func(int) string { return b.String() }
}

// halves are requests whose header never ends.
func halves(n int, header string) func(c *clients) {
	return func(c *clients) {
		each(n, 50, func(int) {
			if c.open("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"+header) != nil {
				c.note("connected")
			}
		})
	}
}

func appends(n, atOnce int, mediaType string, body func(i int) string) func(c *clients) {
	return func(c *clients) { c.appends(n, atOnce, mediaType, body) }
}

const mega = 1 << 20

var (
	fourHostile   = appends(4, 4, structured, func(i int) string { return extensions(i, 640_000, 74) })
	manyMembers   = appends(8, 8, structured, func(i int) string { return extensions(i, 2_000_000, 7) })
	tinyMembers   = appends(16, 8, lines, func(i int) string { return strings.Repeat(extensions(i, 1000, 4)+"\n", 1500) })
	manyEvents    = appends(16, 16, lines, func(i int) string { return strings.Repeat(dataEvent(i, "x")+"\n", 9_000) })
	largestInJSON = appends(16, 16, structured, func(i int) string { return dataEvent(i, strings.Repeat("\"", 8*mega-2000)) })
	largest       = appends(16, 16, structured, func(i int) string {
		return fmt.Sprintf(`{"specversion":"1.0","id":"%d-%d","source":"/s","type":"T","datacontenttype":"a/b","data_base64":"%s"}`, i, time.Now().UnixNano(), random(i, 11_000_000))
	})
	smallBodies = appends(400, 100, lines, func(i int) string { return strings.Repeat(extensions(i, 900, 4)+"\n", 5) })
)

// inputs are all there are.
func inputs() []input {
	readers := slow(40, eventIn("cloudevents"))
	return []input{
		{"nobody", pause},
		{"40 slow readers of one event of 8 MiB", then(slow(40, always("/feeds/big/events/7?format=cloudevents")), pause)},
		{"40 slow readers of 40 events of 8 MiB", then(readers, pause)},
		{"200 slow readers of 40 entries of 8 MiB", then(slow(200, eventIn("atom")), pause)},
		{"200 slow readers of 39 archives of 8 MiB", then(slow(200, archive), pause)},
		{"200 slow readers of 39 archives of 8 MiB, as CloudEvents", then(slow(200, func(c *clients, i int) string { return archive(c, i) + "?format=cloudevents" }), pause)},
		{"200 slow streams of 39 events of 8 MiB", then(slow(200, func(_ *clients, i int) string {
			return fmt.Sprintf("/feeds/big/stream?lastEventId=%d", i%(largeEvents-1))
		}), pause)},
		{"1,400 slow readers of 1,400 JSON Feeds, by as many hosts", then(slow(1400, func(c *clients, i int) string {
			return "http://127.0.0.1:" + fmt.Sprint(2000+i) + "/feeds/f?format=json"
		}), pause)},
		{"1,000 held requests", then(held(1000, func(int) string { return "" }), pause)},
		{"1,000 held requests, 28 kB in one field", then(held(1000, long(28_000)), pause)},
		{"1,000 held requests, 60 kB in one field", then(held(1000, long(60_000)), pause)},
		{"1,000 held requests, 250 fields", then(held(1000, many(250)), pause)},
		{"1,000 held requests, 4,000 fields", then(held(1000, many(4000)), pause)},
		{"1,000 held requests, 7 kB of ETags", then(held(1000, func(int) string { return "If-None-Match: " + strings.Repeat(`"0123456", `, 640) + "\r\n" }), pause)},
		{"3,000 held requests", then(held(3000, func(int) string { return "" }), pause)},
		{"1,400 streams", then(slow(1400, always("/feeds/f/stream")), pause)},
		{"3,000 connections that ask for nothing", then(halves(3000, ""), pause)},
		{"3,000 headers of 4,000 fields that never end", then(halves(3000, many(4000)(0)), pause)},
		{"4 appends of 640,000 extensions (51 MB)", fourHostile},
		{"8 appends of 2,000,000 extensions (24 MB)", manyMembers},
		{"16 appends of 1,500 events of 1,000 extensions (13 MB)", tinyMembers},
		{"16 appends of 9,000 events", manyEvents},
		{"16 appends of an event of 8 MiB, escaped", largestInJSON},
		{"16 appends of an event of 8 MiB, in Base64", largest},
		{"400 appends of 4,500 extensions (59 kB)", smallBodies},
		{"40 slow readers of 40 events, 1,000 held requests of 28 kB, and all appends", then(
			together(readers, held(1000, long(28_000)), fourHostile, manyMembers, tinyMembers, manyEvents, largestInJSON, largest, smallBodies), pause)},
	}
}
