package adopt_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/internal/adopt"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/need"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

const feedName = "adopted"

// service is a service with tables in the schema crm, which are owned by a role
// that has eventfeed_writer and no more, and used by one without any right in
// the schema eventfeed.
type service struct {
	t          *testing.T
	log        *store.Log
	owner, app *pgxpool.Pool
	ownerURL   string
	dir        string // of the recipe's files
}

// newService makes the tables and a feed.
func newService(t *testing.T, tables string) *service {
	t.Helper()
	url := testdb.Postgres(t)
	s := &service{t: t, log: storetest.Open(t, url), ownerURL: testdb.As(url, testdb.Writer)}
	storetest.Create(t, s.log, feedName, 0)
	super := open(t, testdb.As(url, "postgres"))
	exec1(t, super, `CREATE SCHEMA crm AUTHORIZATION `+testdb.Writer+`; GRANT USAGE ON SCHEMA crm TO `+testdb.Service+`;
		ALTER DEFAULT PRIVILEGES FOR ROLE `+testdb.Writer+` IN SCHEMA crm GRANT ALL ON TABLES TO `+testdb.Service+`;
		ALTER DEFAULT PRIVILEGES FOR ROLE `+testdb.Writer+` IN SCHEMA crm GRANT ALL ON SEQUENCES TO `+testdb.Service)
	s.owner, s.app = open(t, s.ownerURL), open(t, testdb.As(url, testdb.Service))
	exec1(t, s.owner, tables)
	return s
}

func open(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(url)
	must.OK(t, err)
	config.MaxConns = 20
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	must.OK(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// exec1 runs statements in one transaction.
func exec1(t *testing.T, pool *pgxpool.Pool, sql string) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
}

func (s *service) recipe(table string, outbox bool, o adopt.Options) (files []adopt.File, err error) {
	err = pgx.BeginFunc(s.t.Context(), s.owner, func(tx pgx.Tx) error {
		described, err := adopt.Describe(s.t.Context(), tx, table)
		if err != nil {
			return err
		}
		if o.Feed == "" {
			o.Feed = feedName
		}
		if outbox {
			files, err = adopt.Outbox(s.t.Context(), tx, described, o)
		} else {
			files, err = adopt.State(s.t.Context(), tx, described, o)
		}
		return err
	})
	return files, err
}

// adopt writes the recipe's files.
func (s *service) adopt(table string, outbox bool, o adopt.Options) {
	s.t.Helper()
	files, err := s.recipe(table, outbox, o)
	must.OK(s.t, err)
	s.dir = s.t.TempDir()
	for _, file := range files {
		must.OK(s.t, os.WriteFile(filepath.Join(s.dir, file.Name), []byte(file.Text), 0o600))
	}
}

// run runs files of the recipe as its reader would, and returns what they print.
func (s *service) run(files ...string) (printed string) {
	s.t.Helper()
	for _, file := range files {
		command := exec.CommandContext(s.t.Context(), filepath.Join(need.PostgresBin(s.t), "psql"), "-X", "-At", "-v", "ON_ERROR_STOP=1",
			"-f", filepath.Join(s.dir, file), "-d", s.ownerURL)
		out, err := command.CombinedOutput()
		if err != nil {
			s.t.Fatalf("%s: %v\n%s", file, err, out)
		}
		printed += string(out)
	}
	return printed
}

// query returns one value as text.
func (s *service) query(sql string) (text string) {
	s.t.Helper()
	must.OK(s.t, pgx.BeginFunc(s.t.Context(), s.owner, func(tx pgx.Tx) error {
		return tx.QueryRow(s.t.Context(), sql).Scan(&text)
	}))
	return text
}

// atWork lets several workers of the service do something until stop. What
// could not be serialized is done again, as its caller must.
func (s *service) atWork(workers int, isolation pgx.TxIsoLevel, do func(ctx context.Context, tx pgx.Tx, worker, n int) error) (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				err := pgx.BeginTxFunc(context.WithoutCancel(ctx), s.app, pgx.TxOptions{IsoLevel: isolation}, func(tx pgx.Tx) error {
					return do(s.t.Context(), tx, worker, n)
				})
				var failed *pgconn.PgError
				if errors.As(err, &failed) && (failed.Code == "40001" && isolation != pgx.ReadCommitted || failed.Code == "23505") || errors.Is(err, errRollBack) {
					continue // the service's own key was there already, or it repeats
				}
				if err != nil {
					s.t.Errorf("the service: %v", err)
					return
				}
			}
		})
	}
	return func() {
		cancel()
		all.Wait()
	}
}

var errRollBack = errors.New("the service rolls back")
