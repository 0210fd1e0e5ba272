package outbox

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/db/sqlany"
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
		$6::pg_catalog.timestamptz[], $7::pg_catalog.text[], $8::pg_catalog.text[], $9::pg_catalog.jsonb[], $10::pg_catalog.bytea[],
		$11::pg_catalog.int8[]) END`

// appended is how many events were appended, by what appendMany gave.
func appended(added *int) (int, error) {
	if added == nil {
		return 0, errors.New("the transaction's client_encoding is not UTF8, or its array_nulls is off, so that PostgreSQL would store other text than this: set client_encoding=UTF8 and array_nulls=on in the database URL")
	}
	return *added, nil
}

// appendPgx appends events, which must be in normal form, in a transaction of pgx
// and returns how many were not there already.
func appendPgx(ctx context.Context, tx pgx.Tx, feed string, events []event.Event, expected Versions) (added int, err error) {
	c := columnsOf(events, expected)
	var n *int
	err = tx.QueryRow(ctx, appendMany, feed, c.ids, c.sources, c.types, c.subjects, c.times,
		c.contentTypes, c.schemas, c.extensions, c.data, c.expected).Scan(&n)
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
	expected                                                         []*int64 // nil if no version is expected
}

func columnsOf(events []event.Event, expected Versions) columns {
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
		if len(expected) > 0 {
			c.expected = append(c.expected, expected.of(e.Subject))
		}
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

// of returns the version that is expected of a subject, or nil.
func (v Versions) of(subject string) *int64 {
	if version, is := v[subject]; is {
		return &version
	}
	return nil
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

// versionLiteral is nil, as NULL, if no version is expected.
func versionLiteral(versions []*int64) *string {
	if versions == nil {
		return nil
	}
	values := make([]*string, len(versions))
	for i, v := range versions {
		if v != nil {
			text := strconv.FormatInt(*v, 10)
			values[i] = &text
		}
	}
	literal := arrayLiteral(values)
	return &literal
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

// postgresError turns the errors of the functions in the schema eventfeed into ours.
func postgresError(err error) error {
	code, constraint, detail := sqlany.Fields(err)
	switch {
	case code == "40001" && constraint == "eventfeed_expected_version": // serialization_failure
		v := &VersionError{err: fmt.Errorf("%w (%w)", ErrVersion, err)}
		_ = json.Unmarshal([]byte(detail), v) // if not, the message says it still
		return v
	case code == "55000": // object_not_in_prerequisite_state
		return fmt.Errorf("%w (%w)", ErrNoEntities, err)
	case code == "P0002": // no_data_found
		return fmt.Errorf("%w (%w)", ErrNoEvent, err)
	case code == "42704": // undefined_object
		return fmt.Errorf("%w (%w)", ErrNoFeed, err)
	case code == "23505" && constraint == "eventfeed_id": // unique_violation; of any other key it is the caller's
		c := &ConflictError{err: fmt.Errorf("%w (%w)", ErrConflict, err)}
		var event struct{ Source, ID string }
		if json.Unmarshal([]byte(detail), &event) == nil { // else the message names it still
			c.Source, c.ID = event.Source, event.ID
		}
		return c
	default:
		return err
	}
}
