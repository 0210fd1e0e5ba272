package main

import (
	"bufio"
	"fmt"
	"strings"
)

// documents are what a server has, by path, and how each is written.
type documents map[string]func(w *bufio.Writer)

// input is what a server answers with.
type input struct {
	name      string
	coding    string // of the content: gzip, zstd or none
	kind      string // media type; empty means Atom
	status    int    // 0 means 200
	fields    int    // further fields of the header
	documents func(base string) documents
}

func (in *input) contentType() string {
	if in.kind != "" {
		return in.kind
	}
	return "application/atom+xml"
}

const (
	atomStart = `<feed xmlns="http://www.w3.org/2005/Atom" xmlns:y="urn:y"><id>urn:x</id><title>t</title><updated>2020-01-01T00:00:00Z</updated>`
	entryHead = `<entry><id>a</id><title>x</title><updated>2020-01-01T00:00:00Z</updated>`
	oneEntry  = entryHead + `</entry>`
	rssStart  = `<rss version="2.0"><channel><title>t</title><link>http://a.example/</link>`
)

// text is a document of a start, n times something, and an end.
func text(start string, n int, each func(i int) string, end string) func(w *bufio.Writer) {
	return func(w *bufio.Writer) {
		_, _ = w.WriteString(start)
		for i := range n {
			_, _ = w.WriteString(each(i))
		}
		_, _ = w.WriteString(end)
	}
}

func always(s string) func(int) string { return func(int) string { return s } }

// one is a feed of one document, in gzip.
func one(name string, write func(w *bufio.Writer)) input {
	return input{name: name, coding: "gzip", documents: func(string) documents { return documents{"/feed": write} }}
}

func with(in input, change func(in *input)) input {
	change(&in)
	return in
}

const mega = 1 << 20

// inputs are all there are.
func inputs() []input {
	return append(foreign(), own()...)
}

func foreign() []input {
	attribute := func(i int) string { return fmt.Sprintf(` b%d=""`, i) }
	manyAttributes := func(n int) (all string) {
		for i := range n {
			all += attribute(i)
		}
		return all
	}
	declared := func(n int) (all string) {
		for i := range n {
			all += fmt.Sprintf(` xmlns:n%d="u"`, i)
		}
		return all
	}
	in1 := func(name, each string, n int) input {
		return one(name, text(atomStart+entryHead, n, always(each), "</entry></feed>"))
	}
	return []input{
		one("100,000 links of one relation", text(atomStart, 100_000, func(i int) string { return fmt.Sprintf(`<link rel="x" href="%08d"/>`, i) }, oneEntry+"</feed>")),
		one("1,000,000 links of as many relations", text(atomStart, 1_000_000, func(i int) string { return fmt.Sprintf(`<link rel="%d" href="%08d"/>`, i, i) }, oneEntry+"</feed>")),
		one("40 MiB of links in entries, under a long xml:base", text(strings.Replace(atomStart, "<feed ", `<feed xml:base="http://a.example/`+strings.Repeat("x", 1900)+`/" `, 1), 40*mega/(80+16*16),
			func(i int) string {
				return fmt.Sprintf(`<entry><id>%d</id>`, i) + strings.Repeat(`<link href="x"/>`, 16) + "</entry>"
			}, "</feed>")),
		one("20 MiB of HTML links, under a long xml:base", text(strings.Replace(atomStart, "<feed ", `<feed xml:base="http://a.example/`+strings.Repeat("x", 1900)+`/" `, 1)+entryHead+`<content type="html">`, 7*mega/18, always(`&lt;a href="x">`), "</content></entry></feed>")),
		in1("1,398,101 elements in one entry (8 MiB)", "<y:a/>", 1398101),
		in1("8,000,000 elements in one entry (46 MiB)", "<y:a/>", 8000000),
		one("8,000,000 elements beside one entry", text(atomStart, 8000000, always("<y:a/>"), oneEntry+"</feed>")),
		in1("190,000 elements in one entry", "<y:a/>", 190_000),
		one("190,000 elements in each of 20 entries", func(w *bufio.Writer) {
			text(atomStart, 20, func(i int) string {
				return fmt.Sprintf("<entry><id>%d</id>", i) + strings.Repeat("<y:a/>", 190_000) + "</entry>"
			}, "</feed>")(w)
		}),
		one("1,600,000 entries (46 MiB)", text(atomStart, 1_600_000, func(i int) string { return fmt.Sprintf("<entry><id>%07d</id></entry>", i) }, "</feed>")),
		one("70,000 entries", text(atomStart, 70_000, func(i int) string { return fmt.Sprintf("<entry><id>%07d</id></entry>", i) }, "</feed>")),
		one("8,000,000 attributes of one element", text(atomStart+entryHead+"<y:a", 8_000_000, always(` b=""`), "/></entry></feed>")),
		in1("200 attributes in each of 20,000 elements", "<y:a"+manyAttributes(200)+"/>", 20_000),
		in1("99 namespaces in each of 30,000 elements", "<y:a"+declared(98)+"/>", 30_000),
		one("namespaces of 98, declared anew 2,000,000 times", text(strings.Replace(atomStart, "<feed", "<feed"+declared(97), 1)+entryHead, 2_000_000, always(`<y:a xmlns:n="u"/>`), "</entry></feed>")),
		one("10,000,000 elements inside one another", text(atomStart+entryHead, 10_000_000, always("<a>"), "")),
		one("45 MiB of comments", text(atomStart, 45*mega/7, always("<!---->"), oneEntry+"</feed>")),
		one("one comment of 45 MiB", text(atomStart+"<!--", 45*mega, always("x"), "-->"+oneEntry+"</feed>")),
		one("45 MiB of processing instructions", text(atomStart, 45*mega/6, always("<?a ?>"), oneEntry+"</feed>")),
		one("entities of entities", text(`<!DOCTYPE feed [<!ENTITY a "aaaaaaaaaa">`, 9, func(i int) string {
			return fmt.Sprintf(`<!ENTITY %c "%s">`, 'b'+i, strings.Repeat(fmt.Sprintf("&%c;", 'a'+i), 10))
		}, `]>`+strings.Replace(atomStart, "<title>t", "<title>&j;", 1)+oneEntry+"</feed>")),
		one("an attribute of 45 MiB", text(atomStart+entryHead+`<link href="`, 45*mega, always("x"), `"/></entry></feed>`)),
		one("a name of 45 MiB", text(atomStart+entryHead+`<a`, 45*mega, always("x"), `/></entry></feed>`)),
		one("250 MiB of text in one entry", text(atomStart+entryHead+`<content type="text">`, 250*mega, always("x"), "</content></entry></feed>")),
		one("45 MiB of text in one entry", text(atomStart+entryHead+`<content type="text">`, 45*mega, always("x"), "</content></entry></feed>")),
		one("15 MiB of text in one entry", text(atomStart+entryHead+`<content type="html">`, 15*mega/4, always("&lt;"), "</content></entry></feed>")),
		one("three entries of 15 MiB of text that are 8 MiB of data", text(atomStart, 3, func(i int) string {
			return fmt.Sprintf(`<entry><id>%d</id><updated>2020-01-01T00:00:00Z</updated><content type="html">`, i) + strings.Repeat("&lt;", 15*mega/8) + strings.Repeat("abcd", mega) + "</content></entry>"
		}, "</feed>")),
		with(one("a JSON Feed of 45 MiB, nested", text(`{"version":"https://jsonfeed.org/version/1.1","items":`, 45*mega, always("["), "")), func(in *input) { in.kind = "application/feed+json" }),
		with(one("a JSON Feed of 3,000,000 members", text(`{"version":"https://jsonfeed.org/version/1.1"`, 3_000_000, func(i int) string { return fmt.Sprintf(`,"a%d":0`, i) }, "}")), func(in *input) { in.kind = "application/feed+json" }),
		one("RSS with 190,000 categories of one item", text(rssStart+"<item><guid>a</guid>", 190_000, always("<category>a</category>"), "</item></channel></rss>")),
		one("RSS with 2,000,000 enclosures of one item", text(rssStart+"<item><guid>a</guid>", 2_000_000, always(`<enclosure url="a"/>`), "</item></channel></rss>")),
		one("RSS with 20 categories in each of 40,000 items", text(rssStart, 40_000, func(i int) string {
			return fmt.Sprintf("<item><guid>%d</guid>", i) + strings.Repeat("<category>a</category>", 20) + "</item>"
		}, "</channel></rss>")),
		one("a gzip of 4 GiB", text(atomStart, 4096, always(strings.Repeat(" ", mega)), oneEntry+"</feed>")),
		with(one("a zstd of 4 GiB, without its size", text(atomStart, 4096, always(strings.Repeat(" ", mega)), oneEntry+"</feed>")), func(in *input) { in.coding = "zstd" }),
		with(one("250 MiB, not compressed", text(atomStart+entryHead+`<content type="text">`, 250, always(strings.Repeat("x", mega)), "</content></entry></feed>")), func(in *input) { in.coding = "" }),
		with(one("status 500 with 250 MiB", text("", 250, always(strings.Repeat("x", mega)), "")), func(in *input) { in.coding, in.status, in.kind = "", 500, "text/plain" }),
		with(one("status 404 with 250 MiB", text("", 250, always(strings.Repeat("x", mega)), "")), func(in *input) { in.coding, in.status, in.kind = "", 404, "text/plain" }),
		with(one("30,000 fields in the header", text(atomStart, 1, always(oneEntry), "</feed>")), func(in *input) { in.fields = 30_000 }),
		one("a usual feed of 40 MiB: 10,000 entries of 4 KiB", text(atomStart, 10_000, func(i int) string {
			return fmt.Sprintf(`<entry><id>%d</id><title>x</title><updated>2020-01-01T00:00:00Z</updated><content type="html">%s</content></entry>`, i, strings.Repeat("&lt;p>text and more of it&lt;/p>", 130))
		}, "</feed>")),
		{name: "a feed and four archives of 40 MiB each", coding: "gzip", documents: archived},
	}
}

// archived is a feed whose documents are as large as may be.
func archived(base string) documents {
	all := documents{}
	names := []string{"/feed", "/4", "/3", "/2", "/1"}
	for n, name := range names {
		start := atomStart
		if n > 0 {
			start += `<fh:archive xmlns:fh="http://purl.org/syndication/history/1.0"/>`
		}
		if n+1 < len(names) {
			start += `<link rel="prev-archive" href="` + base + names[n+1] + `"/>`
		}
		all[name] = text(start, 1000, func(i int) string {
			return fmt.Sprintf(`<entry><id>%d-%d</id><title>x</title><updated>2020-01-01T00:00:00Z</updated><content type="html">%s</content></entry>`, n, i, strings.Repeat("text and more of it, ", 2000))
		}, "</feed>")
	}
	return all
}
