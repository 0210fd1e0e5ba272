package seed_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedpgx"
)

// cities serves events about cities, whose names fit few encodings.
func cities(t *testing.T, names ...string) *source {
	t.Helper()
	s := newSource(t, 0)
	var events []event.Event
	for i, name := range names {
		events = append(events, event.Event{
			ID: fmt.Sprint(i + 1), Source: "/cities", Type: "T", Extensions: map[string]string{"city": name}, Time: storetest.Events(1, 1)[0].Time,
			DataContentType: "application/json", Data: fmt.Appendf(nil, `{"city":%q}`, name),
		})
	}
	storetest.Append(t, s.Log, "f", events)
	storetest.Drain(t, s.Log, "f")
	return s
}

const cityProjection = `CREATE TABLE cities (id text, city text);
-- on T
INSERT INTO cities VALUES (:id, :data->>'city');`

func handleCity(ctx context.Context, tx pgx.Tx, b seed.Batch) error {
	if _, err := tx.Exec(ctx, "CREATE TABLE IF NOT EXISTS cities (id text, city text)"); err != nil {
		return err
	}
	for i := range b.Events {
		var data struct{ City string }
		if err := json.Unmarshal(b.Events[i].Data, &data); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "INSERT INTO cities VALUES ($1, $2)", b.Events[i].ID, data.City); err != nil {
			return err
		}
	}
	return nil
}

// TestTextIsKeptAsItIsOrItsEventIsParked, whatever the target's encoding, and
// whatever the sessions of the database speak by default.
func TestTextIsKeptAsItIsOrItsEventIsParked(t *testing.T) {
	t.Parallel()
	all := []string{"1 Köln", "2 Zoë", "3 東京", "4 Ulm"}
	western := []string{"1 Köln", "2 Zoë", "4 Ulm"}
	for _, c := range []struct {
		encoding, client string
		want             []string
	}{
		{"UTF8", "LATIN1", all},
		{"LATIN1", "LATIN1", western},
		{"LATIN1", "UTF8", western},
		{"WIN1252", "WIN1252", western},
		{"SQL_ASCII", "SQL_ASCII", all},
	} {
		for name, into := range map[string]func(*pgxpool.Pool) (seed.Target, error){
			"inbox": func(pool *pgxpool.Pool) (seed.Target, error) { return seedpgx.Open(pool).Inbox(), nil },
			"projection": func(pool *pgxpool.Pool) (seed.Target, error) {
				return seedpgx.Open(pool).Projection(seed.Projection{Name: "p.sql", Text: []byte(cityProjection)})
			},
			"handler": func(pool *pgxpool.Pool) (seed.Target, error) { return seedpgx.Open(pool).Handle(handleCity), nil },
		} {
			t.Run(c.encoding+" spoken as "+c.client+" "+name, func(t *testing.T) {
				t.Parallel()
				s := cities(t, "Köln", "Zoë", "東京", "Ulm")
				url := testdb.Encoded(t, c.encoding)
				setting := openPool(t, url)
				_, err := setting.Exec(t.Context(), "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET client_encoding = "+c.client+"', current_database()); END $$")
				must.OK(t, err)
				target, err := into(openPool(t, url)) // a caller's, which asks for nothing
				must.OK(t, err)
				config := seed.Config{From: []string{s.feed()}, Into: target, OnError: seed.Park}
				err = seed.Run(t.Context(), config)
				must.OK(t, err)
				query := "SELECT id || ' ' || city FROM cities ORDER BY id"
				if name == "inbox" {
					query = "SELECT id || ' ' || (extensions ->> 'city') FROM eventfeed_inbox.events ORDER BY id"
				}
				if got := encodedColumn(t, url, c.encoding, query); !slices.Equal(got, c.want) {
					t.Errorf("kept %q, want %q", got, c.want)
				}
			})
		}
	}
}

// TestTextThatDoesNotFitStopsAtItsPosition, and nothing of that transaction is kept.
func TestTextThatDoesNotFitStopsAtItsPosition(t *testing.T) {
	t.Parallel()
	s := cities(t, "Köln", "Ulm", "東京")
	pool := openPool(t, testdb.Encoded(t, "LATIN1"))
	projected, err := seedpgx.Open(pool).Projection(seed.Projection{Name: "p.sql", Text: []byte(cityProjection)})
	must.OK(t, err)
	for consumer, into := range map[string]seed.Target{"inbox": seedpgx.Open(pool).Inbox(), "projection": projected} {
		err := seed.Run(t.Context(), seed.Config{From: []string{s.feed()}, Into: into, Consumer: consumer})
		if err == nil || !strings.Contains(err.Error(), "feed f, position 3 (event 3)") || !strings.Contains(err.Error(), "22P05") {
			t.Errorf("%s: %v, want an error of position 3", consumer, err)
		}
	}
}

// TestASubjectThatDoesNotFitCannotBeParked either: by it later events of the
// entity are told, so it must be kept as it is.
func TestASubjectThatDoesNotFitCannotBeParked(t *testing.T) {
	t.Parallel()
	s := newSource(t, 0)
	events := storetest.Events(1, 3)
	events[1].Subject = "東京"
	storetest.Append(t, s.Log, "f", events)
	storetest.Drain(t, s.Log, "f")
	pool := openPool(t, testdb.Encoded(t, "LATIN1"))
	err := seed.Run(t.Context(), seed.Config{From: []string{s.feed()}, Into: seedpgx.Open(pool).Inbox(), OnError: seed.Park})
	if err == nil || !strings.Contains(err.Error(), "park feed f, position 2 (event 2)") {
		t.Errorf("%v, want an error of position 2", err)
	}
}

func openPool(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), url)
	must.OK(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// encodedColumn returns the texts of a column as UTF-8. Of SQL_ASCII, which
// says nothing of characters, it returns the bytes.
func encodedColumn(t *testing.T, url, encoding, query string) []string {
	t.Helper()
	if encoding != "SQL_ASCII" {
		encoding = "UTF8"
	}
	rows, err := openPool(t, url+"&client_encoding="+encoding).Query(t.Context(), query)
	must.OK(t, err)
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must.OK(t, err)
	return all
}
