package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
)

// listed is an event as a line of a list. It is read from files without
// package event, on purpose: the lists are to find its mistakes too.
type listed struct {
	position                                                  int64
	id, source, kind, subject, time, contentType, schema, ext string
	data                                                      []byte
}

// timeLayout is as test/faults has it in SQL.
const timeLayout = "2006-01-02T15:04:05.000000"

func (l *listed) write(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%x\n",
		l.position, l.id, l.source, l.kind, l.subject, l.time, l.contentType, l.schema, l.ext, sha256.Sum256(l.data))
	return err
}

func joinExtensions(values map[string]string) string {
	pairs := make([]string, 0, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		pairs = append(pairs, name+"="+values[name])
	}
	return strings.Join(pairs, " ")
}

// listFile lists the CloudEvents of a file.
func listFile(w io.Writer, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	var in io.Reader = file
	switch {
	case strings.HasSuffix(path, ".gz"):
		in, err = gzip.NewReader(file)
	case strings.HasSuffix(path, ".zst"):
		in, err = zstd.NewReader(file)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	lines := bufio.NewReaderSize(in, 1<<20)
	for position := int64(1); ; {
		line, err := lines.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("%s: %w", path, err)
		}
		if len(bytes.TrimSpace(line)) > 0 {
			l, parseErr := parse(line)
			if parseErr != nil {
				return fmt.Errorf("%s: event %d: %w", path, position, parseErr)
			}
			l.position = position
			if err := l.write(w); err != nil {
				return err
			}
			position++
		}
		if err != nil {
			return nil
		}
	}
}

func parse(line []byte) (*listed, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(line, &members); err != nil {
		return nil, err
	}
	text := make(map[string]string)
	for name, value := range members {
		var s string
		switch {
		case name == "data" || name == "data_base64" || string(value) == "null":
			continue
		case value[0] != '"':
			s = string(value)
		default:
			if err := json.Unmarshal(value, &s); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		text[name] = s
	}
	at, err := time.Parse(time.RFC3339Nano, text["time"])
	if err != nil {
		return nil, err
	}
	l := &listed{
		id: text["id"], source: text["source"], kind: text["type"], subject: text["subject"],
		time: at.UTC().Truncate(time.Microsecond).Format(timeLayout), contentType: text["datacontenttype"], schema: text["dataschema"],
	}
	for _, name := range []string{"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema"} {
		delete(text, name)
	}
	l.ext = joinExtensions(text)
	err = l.setData(members["data"], members["data_base64"])
	return l, err
}

func (l *listed) setData(data, inBase64 json.RawMessage) error {
	var s string
	switch {
	case inBase64 != nil:
		if err := json.Unmarshal(inBase64, &s); err != nil {
			return err
		}
		var err error
		l.data, err = base64.StdEncoding.DecodeString(s)
		return err
	case data == nil:
		return nil
	}
	l.contentType = cmp.Or(l.contentType, "application/json")
	if strings.Contains(l.contentType, "json") || data[0] != '"' {
		l.data = data
		return nil
	}
	err := json.Unmarshal(data, &s)
	l.data = []byte(s)
	return err
}

// listInbox lists all that the inbox of an SQLite database holds, whoever has
// read it.
func listInbox(w io.Writer, url string) error {
	path, err := sqlitedb.Path(url)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); err != nil {
		return err
	}
	ctx := context.Background()
	db, err := sqlitedb.OpenReader(ctx, path)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	var tables int
	err = db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master WHERE name = 'eventfeed_inbox_events'").Scan(&tables)
	if err != nil || tables == 0 {
		return err
	}
	rows, err := db.QueryContext(ctx, `
		SELECT position, id, source, type, coalesce(subject, ''), time, coalesce(datacontenttype, ''), coalesce(dataschema, ''),
		       coalesce(extensions, '{}'), data
		FROM eventfeed_inbox_events ORDER BY consumer, feed_id, position`)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := writeRow(w, rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func writeRow(w io.Writer, rows *sql.Rows) error {
	var l listed
	var at, extensions string
	err := rows.Scan(&l.position, &l.id, &l.source, &l.kind, &l.subject, &at, &l.contentType, &l.schema, &extensions, &l.data)
	if err != nil {
		return err
	}
	parsed, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		return err
	}
	l.time = parsed.Format(timeLayout)
	var values map[string]string
	if err := json.Unmarshal([]byte(extensions), &values); err != nil {
		return err
	}
	l.ext = joinExtensions(values)
	return l.write(w)
}
