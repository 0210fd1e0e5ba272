package projection_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/projection"
	"github.com/eventfeed/eventfeed/internal/projection/postgres"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/internal/testing/testproxy"
)

const notes = `
CREATE TABLE notes (id text PRIMARY KEY, data text NOT NULL);
-- on A
INSERT INTO notes (id, data) VALUES (:id, :data) RETURNING data;
`

// TestALostConnectionIsAnError: wherever it is lost among the answers, Apply returns an error, and
// nothing panics in the background, where pgx closes the connection.
func TestALostConnectionIsAnError(t *testing.T) {
	t.Parallel()
	p, err := projection.Parse("test.sql", []byte(notes))
	must.OK(t, err)
	database := testdb.Postgres(t)
	must.OK(t, onPostgres(t, p, database, options{}).setup())
	events := make([]event.Delivered, 3000) // more than the client may send before it reads
	for i := range events {
		events[i] = at(int64(i+1), "A", "", `{"text":"`+strings.Repeat("x", 1000)+`"}`)
	}
	batch := checkpoint.Batch{Events: events}
	whole := testproxy.NewCut(t, hostOf(t, database), -1)
	conn := connectThrough(t, whole, database)
	before := whole.Sent()
	must.OK(t, rollBack(t, conn, func(ctx context.Context, tx pgx.Tx) error {
		_, err := postgres.New(p, "", false).Apply(ctx, tx, batch)
		return err
	}))
	answers := whole.Sent() - before
	for name, lose := range map[string]func(relay *testproxy.Cut, cancel func(), after int64){
		"the server closes":       func(relay *testproxy.Cut, _ func(), after int64) { relay.After(after) },
		"the connection is reset": func(relay *testproxy.Cut, _ func(), after int64) { relay.Reset = true; relay.After(after) },
		"the server is gone":      func(relay *testproxy.Cut, _ func(), after int64) { relay.Last = true; relay.After(after) },
		"the context is canceled": func(relay *testproxy.Cut, cancel func(), after int64) {
			for end := relay.Sent() + after; relay.Sent() < end; {
				time.Sleep(50 * time.Microsecond)
			}
			cancel()
		},
	} {
		for i := range 20 {
			after := rand.Int64N(answers * 9 / 10)
			t.Run(fmt.Sprintf("%s %d: after %d bytes", name, i, after), func(t *testing.T) {
				t.Parallel()
				relay := testproxy.NewCut(t, hostOf(t, database), -1)
				err := rollBack(t, connectThrough(t, relay, database), func(ctx context.Context, tx pgx.Tx) error {
					ctx, cancel := context.WithCancel(ctx)
					defer cancel()
					go lose(relay, cancel, after)
					_, err := postgres.New(p, "", false).Apply(ctx, tx, batch)
					return err
				})
				if err == nil {
					t.Error("no error")
				}
			})
		}
	}
}

// rollBack runs do in a transaction that is rolled back, and leaves pgx time to close the connection,
// if do has lost it.
func rollBack(t *testing.T, conn *pgx.Conn, do func(context.Context, pgx.Tx) error) error {
	t.Helper()
	tx, err := conn.Begin(t.Context())
	must.OK(t, err)
	err = do(t.Context(), tx)
	_ = tx.Rollback(t.Context())
	if conn.IsClosed() {
		select {
		case <-conn.PgConn().CleanupDone():
		case <-time.After(50 * time.Millisecond): // it may wait for long for the server to close it, too
		}
	}
	return err
}

// slowConn takes its time to send, so that two who do so meet.
type slowConn struct{ net.Conn }

func (c slowConn) Write(b []byte) (int, error) {
	time.Sleep(3 * time.Millisecond)
	return c.Conn.Write(b)
}

// connectThrough connects through a relay.
func connectThrough(t *testing.T, relay *testproxy.Cut, database string) *pgx.Conn {
	t.Helper()
	through, err := url.Parse(database)
	must.OK(t, err)
	through.Host = relay.Address()
	config, err := pgx.ParseConfig(through.String())
	must.OK(t, err)
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return slowConn{conn}, err
	}
	conn, err := pgx.ConnectConfig(t.Context(), config)
	must.OK(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func hostOf(t *testing.T, database string) string {
	t.Helper()
	parsed, err := url.Parse(database)
	must.OK(t, err)
	return parsed.Host
}
