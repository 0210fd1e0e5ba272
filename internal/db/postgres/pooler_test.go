package postgresdb_test

import (
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// honest puts a relay in front of a pooler that makes it tell clients the process of
// the session that it has for them at the moment, in place of a number of its own.
func honest(t *testing.T, pooler string) string {
	t.Helper()
	u, err := url.Parse(pooler)
	must.OK(t, err)
	upstream := u.Host
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must.OK(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", upstream)
			if err != nil {
				_ = client.Close()
				continue
			}
			go func() { _, _ = io.Copy(server, client); _ = server.Close() }()
			go func() { relayHonestly(t, client, server, pooler); _ = client.Close() }()
		}
	}()
	u.Host = listener.Addr().String()
	return u.String()
}

// relayHonestly passes on what a pooler sends, with another process in BackendKeyData.
func relayHonestly(t *testing.T, client, server net.Conn, pooler string) {
	for head := make([]byte, 5); ; {
		if _, err := io.ReadFull(server, head); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
		if _, err := io.ReadFull(server, body); err != nil {
			return
		}
		if head[0] == 'K' {
			binary.BigEndian.PutUint32(body, servedBy(t, pooler))
		}
		if _, err := client.Write(slices.Concat(head, body)); err != nil {
			return
		}
		if head[0] == 'K' {
			_, _ = io.Copy(client, server)
			return
		}
	}
}

// servedBy returns the process of the session that a pooler gives next.
func servedBy(t *testing.T, pooler string) (pid uint32) {
	conn, err := pgx.Connect(t.Context(), pooler+"&default_query_exec_mode=exec")
	if err != nil {
		return 0
	}
	defer closeQuietly(conn)
	_ = conn.QueryRow(t.Context(), "SELECT pg_backend_pid()").Scan(&pid)
	return pid
}

// TestPoolerIsRecognised, also one that passes on PostgreSQL's own process, or where
// the URL says so.
func TestPoolerIsRecognised(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		through func(t *testing.T, url string) string
		want    bool
	}{
		"none":            {func(_ *testing.T, url string) string { return url }, false},
		"PgBouncer":       {func(t *testing.T, url string) string { return testdb.Bouncer(t, url) }, true},
		"an honest one":   {func(t *testing.T, url string) string { return honest(t, testdb.Bouncer(t, url)) }, true},
		"the URL says so": {func(_ *testing.T, url string) string { return url + "&pooler=transaction" }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool, err := postgresdb.Open(t.Context(), test.through(t, testdb.Postgres(t)), 4)
			must.OK(t, err)
			t.Cleanup(pool.Close)
			conn, err := pool.Acquire(t.Context())
			must.OK(t, err)
			defer conn.Release()
			pooled, err := postgresdb.IsPooled(t.Context(), pool, conn.Conn())
			must.OK(t, err)
			if pooled != test.want {
				t.Errorf("behind a pooler: %v, want %v", pooled, test.want)
			}
		})
	}
}
