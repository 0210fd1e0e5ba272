package main

import (
	"bufio"
	"fmt"
	"strings"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
)

const (
	feedID = "urn:uuid:5f0a3a9e-3f9c-4d26-9b1c-2b8f2f5f0001"
	epoch  = "5f0a3a9e-3f9c-4d26-9b1c-2b8f2f5f0002"
	pages  = 16 // as many as are fetched at once by default
)

// own are inputs in eventfeed's own format: the largest pages that there can be, and
// some that claim to be.
func own() []input {
	lines := func(int) []event.Event {
		return []event.Event{{Data: []byte("x" + strings.Repeat("\n", 8*mega-200) + "x")}}
	}
	binary := func(int) []event.Event { return []event.Event{{Data: []byte("\r" + strings.Repeat("x", 8*mega-200))}} }
	types := func(int) (all []event.Event) {
		name := strings.Repeat("&", event.MaxAttribute)
		for range 8 * mega / (2*event.MaxAttribute + 120) {
			all = append(all, event.Event{Type: name, Subject: name})
		}
		return all
	}
	extensions := func(int) []event.Event { // as many names of four letters as there are
		all := make(map[string]string)
		for i := range 26 * 26 * 26 * 26 {
			all[string([]byte{byte('a' + i%26), byte('a' + i/26%26), byte('a' + i/676%26), byte('a' + i/17576)})] = ""
		}
		return []event.Event{{Extensions: all}}
	}
	small := func(int) (all []event.Event) {
		for range feed.MaxPageSize {
			all = append(all, event.Event{Data: []byte(strings.Repeat("x", 700))})
		}
		return all
	}
	made := func(name, coding string, page func(int) []event.Event, change func(name, body string) string) input {
		return input{name: name, coding: coding, documents: func(string) documents { return ownFeed(page, change) }}
	}
	same := func(_, body string) string { return body }
	parser := strings.NewReplacer("<entry>", "<entry >", "<ef:", "<own:", "</ef:", "</own:", "xmlns:ef", "xmlns:own")
	padded := func(name, body string) string { // from the second archive on
		if name == "/feed" || strings.HasSuffix(name, "/1") {
			return body
		}
		return strings.Replace(body, "</feed>", strings.Repeat(" ", 256*mega-len(body)-100)+"</feed>", 1)
	}
	tiny := func(p int) []event.Event { return []event.Event{{Data: fmt.Appendf(nil, "event %d", p)}} }
	return []input{
		made("own: 16 pages of an event of 8 MiB, 40 MiB each", "zstd", lines, same),
		made("own: the same, not compressed", "", lines, same),
		made("own: the same, in gzip", "gzip", lines, same),
		made("own: the same, written anew by a proxy", "gzip", lines, func(_, body string) string { return parser.Replace(body) }),
		made("own: 16 pages of an event of 8 MiB of bytes", "zstd", binary, same),
		made("own: 16 pages of 8 MiB of types and subjects, 80 MiB each", "zstd", types, same),
		made("own: the same, in gzip", "gzip", types, same),
		made("own: 16 pages of an event of 450,000 extensions", "zstd", extensions, same),
		made("own: 16 pages of 10,000 events, 8 MiB", "zstd", small, same),
		made("own: a small page, and 15 of 256 MiB", "zstd", tiny, padded),
		made("own: a small page, and 15 of 256 MiB, in gzip", "gzip", tiny, padded),
	}
}

// ownFeed makes a feed of which each archive and the subscription document hold a page;
// the latter holds the last archived one, too.
func ownFeed(page func(p int) []event.Event, change func(name, body string) string) documents {
	all := documents{}
	chain := feed.Chain{Digest: feed.FirstDigest(feedID)}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var last *feed.Document
	for p := 1; p <= pages+1; p++ {
		d := &feed.Document{
			Kind: feed.Archive, ID: feedID, Name: "feed", Title: "t", Author: "a", Updated: at,
			Epochs: []feed.Epoch{{ID: epoch, FirstPosition: 1, FirstPage: 1, DigestBefore: feed.FirstDigest(feedID)}},
			Page:   int64(p), Epoch: epoch, First: chain.Position + 1, DigestBefore: chain.Digest,
		}
		for i, e := range page(p) {
			e.ID, e.Source, e.Time, e.DataContentType = fmt.Sprintf("%d-%d", p, i), "/s", at, ""
			if e.Type == "" {
				e.Type = "T"
			}
			var hash feed.Digest
			hash, _ = feed.EventHash(&e, nil)
			chain.Next(hash)
			d.Entries = append(d.Entries, event.Placed{Event: e, Position: chain.Position, Recorded: at})
		}
		d.Last, d.DigestAfter = chain.Position, chain.Digest
		name := fmt.Sprintf("/feed/archive/%s/%d", epoch, p)
		if p <= pages {
			if p < pages {
				d.Next = &feed.Page{Epoch: epoch, Number: int64(p + 1)}
			}
		} else {
			name, d.Kind, d.Archives, d.Template = "/feed", feed.Subscription, pages, feed.ArchiveTemplate("feed")
			if len(last.Entries) <= feed.MinEntries {
				d.First, d.DigestBefore, d.Entries = last.First, last.DigestBefore, append(last.Entries, d.Entries...)
			}
		}
		last = d
		all[name] = func(w *bufio.Writer) { _, _ = w.WriteString(change(name, string(feed.AppendDocument(nil, d)))) }
	}
	return all
}
