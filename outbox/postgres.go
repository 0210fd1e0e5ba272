package outbox

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
)

// appendMany is the one statement that writes to PostgreSQL. It runs with the
// caller's search_path, so it names everything with its schema.
//
// It gives NULL, and appends nothing, where the texts that arrive are other ones
// than were sent: the caller's connection does not speak UTF-8, or takes NULL in an
// array for a word.
const appendMany = `SELECT CASE WHEN pg_catalog.pg_char_to_encoding(pg_catalog.current_setting('client_encoding')::pg_catalog.name) OPERATOR(pg_catalog.=) pg_catalog.pg_char_to_encoding('UTF8')
	AND pg_catalog.current_setting('array_nulls') OPERATOR(pg_catalog.=) 'on' THEN
	eventfeed.append_many($1, $2::pg_catalog.text[], $3::pg_catalog.text[], $4::pg_catalog.text[], $5::pg_catalog.text[],
		$6::pg_catalog.timestamptz[], $7::pg_catalog.text[], $8::pg_catalog.text[], $9::pg_catalog.jsonb[], $10::pg_catalog.bytea[]) END`

// appended is how many events were appended, by what appendMany gave.
func appended(added *int) (int, error) {
	if added == nil {
		return 0, errors.New("the transaction's client_encoding is not UTF8, or its array_nulls is off, so that PostgreSQL would store other text than this: set client_encoding=UTF8 and array_nulls=on in the database URL")
	}
	return *added, nil
}

// appendPgx appends events, which must be in normal form, in a transaction of pgx
// and returns how many were not there already.
func appendPgx(ctx context.Context, tx pgx.Tx, feed string, events []event.Event) (added int, err error) {
	c := columnsOf(events)
	var n *int
	err = tx.QueryRow(ctx, appendMany, feed, c.ids, c.sources, c.types, c.subjects, c.times,
		c.contentTypes, c.schemas, c.extensions, c.data).Scan(&n)
	if err != nil {
		return 0, postgresError(err)
	}
	return appended(n)
}

// columns are events as arrays, one for each attribute; nil stands for what
// was left out.
type columns struct {
	ids, sources, types, subjects, contentTypes, schemas, extensions []*string
	times                                                            []*time.Time
	data                                                             [][]byte
}

func columnsOf(events []event.Event) columns {
	var c columns
	for i := range events {
		e := &events[i]
		c.ids = append(c.ids, &e.ID)
		c.sources = append(c.sources, given(e.Source))
		c.types = append(c.types, &e.Type)
		c.subjects = append(c.subjects, given(e.Subject))
		c.contentTypes = append(c.contentTypes, given(e.DataContentType))
		c.schemas = append(c.schemas, given(e.DataSchema))
		c.data = append(c.data, e.Data)
		var at *time.Time
		if !e.Time.IsZero() {
			at = &e.Time
		}
		var extensions *string
		if e.Extensions != nil {
			text := extensionText(e.Extensions)
			extensions = &text
		}
		c.times = append(c.times, at)
		c.extensions = append(c.extensions, extensions)
	}
	return c
}

func given(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func extensionText(extensions map[string]string) string {
	text, err := json.Marshal(extensions)
	if err != nil {
		panic(err) // a map of strings always has a JSON form
	}
	return string(text)
}

// arrayLiteral writes a PostgreSQL array as text, which every driver for
// database/sql passes on as it is.
func arrayLiteral(values []*string) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, v := range values {
		if i > 0 {
			b.WriteByte(',')
		}
		if v == nil {
			b.WriteString("NULL")
			continue
		}
		b.WriteByte('"')
		b.WriteString(arrayEscaper.Replace(*v))
		b.WriteByte('"')
	}
	b.WriteByte('}')
	return b.String()
}

func timeLiteral(times []*time.Time) string {
	values := make([]*string, len(times))
	for i, t := range times {
		if t != nil {
			text := cloudevents.FormatTime(*t)
			values[i] = &text
		}
	}
	return arrayLiteral(values)
}

var arrayEscaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

func byteaLiteral(data [][]byte) string {
	values := make([]*string, len(data))
	for i, d := range data {
		if d != nil {
			text := `\x` + hex.EncodeToString(d)
			values[i] = &text
		}
	}
	return arrayLiteral(values)
}

// postgresError turns the errors of eventfeed.append_many into ours, whichever
// driver brought them.
func postgresError(err error) error {
	var state interface{ SQLState() string }
	if !errors.As(err, &state) {
		return err
	}
	switch state.SQLState() {
	case "42704":
		return fmt.Errorf("%w (%w)", ErrNoFeed, err)
	case "23505":
		return conflict(err)
	default:
		return err
	}
}

// conflictMessage is how eventfeed.append_many names an event that is there with
// other content: id and source as JSON strings.
var conflictMessage = regexp.MustCompile(`event ("(?:[^"\\]|\\.)*") of source ("(?:[^"\\]|\\.)*") is in feed`)

// conflict returns a ConflictError if err names an event. Any other unique
// violation is of another key, such as one that a caller has made, and is
// returned as it is.
func conflict(err error) error {
	found := conflictMessage.FindStringSubmatch(err.Error())
	if found == nil {
		return err
	}
	c := &ConflictError{err: fmt.Errorf("%w (%w)", ErrConflict, err)}
	_ = json.Unmarshal([]byte(found[1]), &c.ID) // else the message names it still
	_ = json.Unmarshal([]byte(found[2]), &c.Source)
	return c
}
