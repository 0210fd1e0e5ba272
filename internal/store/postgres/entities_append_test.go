package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// openEntities makes a feed e with entities, and returns its log, a pool of a writer and
// one of the owner.
func openEntities(t *testing.T) (l *store.Log, writer, owner *pgxpool.Pool) {
	t.Helper()
	url := testdb.Postgres(t)
	l = storetest.Open(t, url)
	storetest.CreateWithEntities(t, l, "e")
	return l, openPool(t, testdb.As(url, testdb.Writer)), openPool(t, url)
}

// versionOf is the version of an entity of feed e.
func versionOf(t *testing.T, owner *pgxpool.Pool, subject string) (version int64) {
	t.Helper()
	must.OK(t, owner.QueryRow(t.Context(), "SELECT eventfeed.version('e', $1)", subject).Scan(&version))
	return version
}

// wantVersionConflict checks that an error is one, of an entity at this version.
func wantVersionConflict(t *testing.T, what string, err error, subject string, expected, version int64) {
	t.Helper()
	refusal, is := errors.AsType[*pgconn.PgError](err)
	detail := fmt.Sprintf(`{"subject": %q, "version": %d, "expected": %d}`, subject, version, expected)
	if !is || refusal.Code != "40001" || refusal.ConstraintName != "eventfeed_expected_version" || refusal.Detail != detail {
		t.Errorf("%s: %+v, want a version conflict with %s", what, err, detail)
	}
}

func wantIDConflict(t *testing.T, what string, err error, id string) {
	t.Helper()
	refusal, is := errors.AsType[*pgconn.PgError](err)
	detail := fmt.Sprintf(`{"id": %q, "feed": "e", "source": "/e"}`, id)
	if !is || refusal.Code != "23505" || refusal.ConstraintName != "eventfeed_id" || refusal.Detail != detail {
		t.Errorf("%s: %+v, want an id conflict with %s", what, err, detail)
	}
}

// TestEveryWayToAppendTakesAnExpectedVersion: two signatures of one function and data
// type would make calls fail that leave types to PostgreSQL.
func TestEveryWayToAppendTakesAnExpectedVersion(t *testing.T) {
	t.Parallel()
	l, writer, owner := openEntities(t)
	for name, call := range map[string]struct {
		sql       string
		arguments []any
	}{
		"text positionally":      {`append('e', 'T', 'text positionally', '{}', NULL, NULL, NULL, NULL, NULL, 0)`, nil},
		"text by name":           {`append(feed => 'e', type => 'T', subject => 'text by name', data => '{}', expected_version => 0)`, nil},
		"text mixed":             {`append('e', 'T', 'text mixed', '{}', expected_version => 0)`, nil},
		"typed text":             {`append('e', 'T', 'typed text', '{}'::text, expected_version => 0)`, nil},
		"json positionally":      {`append('e', 'T', 'json positionally', '{}'::json, NULL, NULL, NULL, NULL, NULL, 0)`, nil},
		"json by name":           {`append(feed => 'e', type => 'T', subject => 'json by name', data => '{}'::json, expected_version => 0)`, nil},
		"jsonb positionally":     {`append('e', 'T', 'jsonb positionally', '{}'::jsonb, NULL, NULL, NULL, NULL, NULL, 0)`, nil},
		"jsonb by name":          {`append(feed => 'e', type => 'T', subject => 'jsonb by name', data => '{}'::jsonb, expected_version => 0)`, nil},
		"int":                    {`append('e', 'T', 'int', '{}', expected_version => 0::int)`, nil},
		"parameters":             {`append($1, $2, $3, $4, expected_version => $5)`, []any{"e", "T", "parameters", "{}", 0}},
		"parameters positioned":  {`append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`, []any{"e", "T", "parameters positioned", "{}", nil, nil, nil, nil, nil, 0}},
		"parameters by name":     {`append(feed => $1, type => $2, subject => $3, data => $4, expected_version => $5)`, []any{"e", "T", "parameters by name", "{}", 0}},
		"bytes positionally":     {`append_bytes('e', 'T', 'bytes positionally', '\x00', 'x/y', NULL, NULL, NULL, NULL, NULL, 0)`, nil},
		"bytes by name":          {`append_bytes(feed => 'e', type => 'T', subject => 'bytes by name', data => 'x', datacontenttype => 'x/y', expected_version => 0)`, nil},
		"bytes as parameters":    {`append_bytes($1, $2, $3, $4, $5, expected_version => $6)`, []any{"e", "T", "bytes as parameters", []byte{0}, "x/y", 0}},
		"many positionally":      {`append_many('e', NULL, NULL, '{T}', '{many positionally}', NULL, NULL, NULL, NULL, NULL, '{0}')`, nil},
		"many by name":           {`append_many(feed => 'e', ids => NULL, sources => NULL, types => '{T}', subjects => '{many by name}', times => NULL, datacontenttypes => NULL, dataschemas => NULL, extensions => NULL, datas => NULL, expected_versions => '{0}')`, nil},
		"many as parameters":     {`append_many($1, NULL, NULL, $2, $3, NULL, NULL, NULL, NULL, NULL, $4)`, []any{"e", []string{"T"}, []string{"many as parameters"}, []int64{0}}},
		"many without versions":  {`append_many('e', NULL, NULL, '{T}', '{many without versions}', NULL, NULL, NULL, NULL, NULL)`, nil},
		"without a version":      {`append('e', 'T', 'without a version', '{}')`, nil},
		"parameters without one": {`append($1, $2, $3, $4)`, []any{"e", "T", "parameters without one", "{}"}},
		"bytes without one":      {`append_bytes('e', 'T', 'bytes without one', '\x00', 'x/y')`, nil},
	} {
		_, err := writer.Exec(t.Context(), "SELECT eventfeed."+call.sql, call.arguments...)
		if version := versionOf(t, owner, name); err != nil || version != 1 {
			t.Errorf("%s: version %d, %v", name, version, err)
		}
		_, err = writer.Exec(t.Context(), "SELECT eventfeed."+call.sql, call.arguments...)
		if strings.Contains(name, "without") {
			must.OK(t, err)
		} else {
			wantVersionConflict(t, name, err, name, 0, 1)
		}
	}
	storetest.Drain(t, l, "e")
	storetest.Verify(t, l, "e")
}

// TestEachFunctionIsThereOnce for each type of data.
func TestEachFunctionIsThereOnce(t *testing.T) {
	t.Parallel()
	_, _, owner := openEntities(t)
	rows, err := owner.Query(t.Context(), `
		SELECT p.proname || ' of ' || coalesce((SELECT t.typname FROM unnest(p.proargtypes::oid[], p.proargnames[1:p.pronargs]) AS a (type, name) JOIN pg_type t ON t.oid = a.type WHERE a.name = 'data'), '-')
		FROM pg_proc p WHERE p.pronamespace = 'eventfeed'::regnamespace GROUP BY 1 HAVING count(*) > 1`)
	must.OK(t, err)
	twice, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must.OK(t, err)
	if len(twice) > 0 {
		t.Errorf("more than once: %v", twice)
	}
}

// TestConflictsNameWhatTheyAreInFieldsForPrograms, one event or several.
func TestConflictsNameWhatTheyAreInFieldsForPrograms(t *testing.T) {
	t.Parallel()
	l, writer, owner := openEntities(t)
	for _, statement := range []string{
		`SELECT eventfeed.append('e', 'T', 'a', '1', id => 'a1')`,
		`SELECT eventfeed.append('e', 'T', 'a', '2', id => 'a2', expected_version => 1)`,
		`SELECT eventfeed.append('e', 'T', 'b', '1', id => 'b1', expected_version => 0)`,
	} {
		_, err := writer.Exec(t.Context(), statement)
		must.OK(t, err)
	}
	many := func(ids, subjects, versions string) string {
		return fmt.Sprintf("SELECT eventfeed.append_many('e', '%s', NULL, (SELECT array_agg('T'::text) FROM unnest('%s'::text[])), '%s', NULL, NULL, NULL, NULL, NULL, '%s')", ids, ids, subjects, versions)
	}
	for name, test := range map[string]struct {
		sql, subject      string
		expected, version int64
	}{
		"one, too low":                    {`SELECT eventfeed.append('e', 'T', 'a', '3', expected_version => 1)`, "a", 1, 2},
		"one, too high":                   {`SELECT eventfeed.append('e', 'T', 'a', '3', expected_version => 3)`, "a", 3, 2},
		"one, of none that is there":      {`SELECT eventfeed.append('e', 'T', 'n', '3', expected_version => 1)`, "n", 1, 0},
		"one, of one that must not exist": {`SELECT eventfeed.append('e', 'T', 'b', '3', expected_version => 0)`, "b", 0, 1},
		"several":                         {many("{x1,x2,x3}", "{a,b,a}", "{2,0,2}"), "b", 0, 1},
		"several, the first that fails":   {many("{x1,x2,x3}", "{b,a,n}", "{1,9,7}"), "a", 9, 2},
		"several, some without a version": {many("{x1,x2,x3}", "{a,b,b}", "{NULL,NULL,3}"), "b", 3, 1},
		"several, one is there":           {"SELECT eventfeed.append_many('e', '{a1,x2}', NULL, '{T,T}', '{a,a}', NULL, '{application/json,application/json}', NULL, NULL, ARRAY['1','2']::bytea[], '{0,0}')", "a", 0, 2},
	} {
		_, err := writer.Exec(t.Context(), test.sql)
		wantVersionConflict(t, name, err, test.subject, test.expected, test.version)
	}
	for name, sql := range map[string]string{
		"one":                        `SELECT eventfeed.append('e', 'T', 'a', '9', id => 'a1')`,
		"one, as expected":           `SELECT eventfeed.append('e', 'T', 'a', '9', id => 'a1', expected_version => 2)`,
		"one, of another subject":    `SELECT eventfeed.append('e', 'T', 'b', '1', id => 'a1', expected_version => 1)`,
		"one, of a new subject":      `SELECT eventfeed.append('e', 'T', 'n', '1', id => 'a1', expected_version => 0)`,
		"one, without a subject":     `SELECT eventfeed.append('e', 'T', NULL, '1', id => 'a1')`,
		"several":                    many("{a1,x2}", "{a,a}", "{2,2}"),
		"several, another subject":   many("{x1,a1}", "{b,b}", "{1,1}"),
		"several, a new subject":     many("{x1,a1}", "{n,n}", "{NULL,NULL}"),
		"several, wrongly expecting": many("{x1,a1}", "{a,a}", "{7,7}"),
	} {
		_, err := writer.Exec(t.Context(), sql)
		wantIDConflict(t, name, err, "a1")
	}
	for subject, want := range map[string]int64{"a": 2, "b": 1, "n": 0} {
		if version := versionOf(t, owner, subject); version != want {
			t.Errorf("%s is at version %d, want %d", subject, version, want)
		}
	}
	storetest.Drain(t, l, "e")
	if position, _ := storetest.Verify(t, l, "e"); position != 3 {
		t.Errorf("position %d, want 3", position)
	}
}

// TestAppendingAgainIsNeverAVersionConflict, whatever came after the first time.
func TestAppendingAgainIsNeverAVersionConflict(t *testing.T) {
	t.Parallel()
	l, writer, owner := openEntities(t)
	const one = `SELECT eventfeed.append('e', 'T', 'a', '1', id => 'a1', expected_version => 0)`
	const several = `SELECT eventfeed.append_many('e', '{b1,a2,b2,b2}', NULL, '{T,T,T,T}', '{b,a,b,b}', NULL, NULL, NULL, NULL, NULL, '{0,1,0,0}')`
	for name, level := range map[string]pgx.TxIsoLevel{"read committed": pgx.ReadCommitted, "repeatable read": pgx.RepeatableRead, "serializable": pgx.Serializable} {
		for _, statement := range []string{one, several, one, several} {
			must.OK(t, pgx.BeginTxFunc(t.Context(), writer, pgx.TxOptions{IsoLevel: level}, func(tx pgx.Tx) error {
				for range 2 { // in one transaction, too
					if _, err := tx.Exec(t.Context(), statement); err != nil {
						return fmt.Errorf("%s: %s: %w", name, statement, err)
					}
				}
				return nil
			}))
		}
	}
	var added int64
	must.OK(t, writer.QueryRow(t.Context(), `SELECT eventfeed.append_many('e', '{b1,b3,c1,b2,b3}', NULL, '{T,T,T,T,T}', '{b,b,c,b,b}', NULL, NULL, NULL, NULL, NULL, '{2,2,0,NULL,2}')`).Scan(&added))
	if added != 2 {
		t.Errorf("%d were added, want 2: some were there", added)
	}
	for subject, want := range map[string]int64{"a": 2, "b": 3, "c": 1} {
		if version := versionOf(t, owner, subject); version != want {
			t.Errorf("%s is at version %d, want %d", subject, version, want)
		}
	}
	storetest.Drain(t, l, "e")
	if position, _ := storetest.Verify(t, l, "e"); position != 6 {
		t.Errorf("position %d, want 6", position)
	}
}

func TestExpectedVersionsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	l, writer, _ := openEntities(t)
	storetest.Create(t, l, "plain", 0)
	for call, want := range map[string]struct{ code, says string }{
		`append('e', 'T', 'a', '1', expected_version => -1)`:                                                             {"22023", `expected version -1 of "a": it must be 0 or more`},
		`append('e', 'T', NULL, '1', expected_version => 0)`:                                                             {"22023", "belongs to no entity"},
		`append('e', 'T', '', '1', expected_version => 0)`:                                                               {"22023", "belongs to no entity"},
		`append_many('e', NULL, NULL, '{T,T}', '{a,a}', NULL, NULL, NULL, NULL, NULL, '{0,1}')`:                          {"22023", `two expected versions of "a"`},
		`append_many('e', NULL, NULL, '{T,T}', '{a,NULL}', NULL, NULL, NULL, NULL, NULL, '{0,0}')`:                       {"22023", "belongs to no entity"},
		`append_many('e', NULL, NULL, '{T}', NULL, NULL, NULL, NULL, NULL, NULL, '{0}')`:                                 {"22023", "belongs to no entity"},
		`append_many('e', NULL, NULL, '{T}', '{a}', NULL, NULL, NULL, NULL, NULL, '{-5}')`:                               {"22023", "must be 0 or more"},
		`append('e', '', 'a', '1', expected_version => 0)`:                                                               {"22023", "type is missing"},
		`append('none', 'T', 'a', '1', expected_version => 0)`:                                                           {"42704", "there is no feed 'none'"},
		`append('plain', 'T', 'a', '1', expected_version => 0)`:                                                          {"55000", "feed plain has no entities"},
		`append_many('plain', NULL, NULL, '{T}', '{a}', NULL, NULL, NULL, NULL, NULL, '{0}')`:                            {"55000", "feed plain has no entities"},
		`append('plain', 'T', 'a', '1', expected_version => -1)`:                                                         {"22023", "must be 0 or more"},
		`append_many('e', NULL, NULL, '{T,T,T}', '{a,b,a}', NULL, NULL, NULL, NULL, NULL, '{0,NULL,0,0}')`:               {"22023", ""},
		`append('e', 'T', 'a', '1', extensions => '{"authid":1.5}', expected_version => 0)`:                              {"22023", "Integer"},
		`append_many('e', '{1,2}', NULL, '{T,NULL}', '{a,b}', NULL, NULL, NULL, NULL, NULL, '{0,0}')`:                    {"22023", "type is missing"},
		`append_bytes('e', 'T', 'a', decode(repeat('00', 8388608), 'hex'), 'x/y', expected_version => 0)`:                {"22023", "too large"},
		`append_bytes('e', 'T', E'a\nb', 'x', 'x/y', expected_version => 0)`:                                             {"22023", "control character"},
		`append_many('e', NULL, NULL, '{T}', ARRAY[repeat('x', 1025)], NULL, NULL, NULL, NULL, NULL, '{0}')`:             {"22023", "1024 bytes"},
		`append_many('plain', NULL, NULL, '{T,T}', '{a,a}', NULL, NULL, NULL, NULL, NULL, '{0,1}')`:                      {"22023", "two expected versions"},
		`append_many('none', NULL, NULL, '{T,T}', '{a,a}', NULL, NULL, NULL, NULL, NULL, '{0,0}')`:                       {"42704", "there is no feed 'none'"},
		`append(NULL, 'T', 'a', '1', expected_version => 0)`:                                                             {"42704", "there is no feed NULL"},
		`append_many('e', NULL, NULL, '{T,T}', '{a,b}', NULL, NULL, NULL, NULL, ARRAY[''::bytea, NULL], ARRAY[0, 1, 2])`: {"22023", ""},
	} {
		_, err := writer.Exec(t.Context(), "SELECT eventfeed."+call)
		var pgErr *pgconn.PgError
		if !errors.As(err, &pgErr) || pgErr.Code != want.code || !strings.Contains(pgErr.Message, want.says) || pgErr.ConstraintName != "" {
			t.Errorf("%s: %v, want %+v", call, err, want)
		}
	}
	_, err := writer.Exec(t.Context(), `SELECT eventfeed.append_many('plain', NULL, NULL, '{T}', '{a}', NULL, NULL, NULL, NULL, NULL, '{NULL}')`)
	must.OK(t, err) // expects nothing
	storetest.Drain(t, l, "e")
	if position, _ := storetest.Verify(t, l, "e"); position != 0 {
		t.Errorf("position %d, want 0", position)
	}
}

// TestOneOfEqualExpectationsWins, of transactions that all begin before any ends.
func TestOneOfEqualExpectationsWins(t *testing.T) {
	t.Parallel()
	const writers, rounds = 16, 12
	l, writer, owner := openEntities(t)
	for round := range rounds {
		level, subject := pgx.ReadCommitted, fmt.Sprintf("entity %d", round%4)
		if round%2 == 1 {
			level = pgx.RepeatableRead
		}
		expected := versionOf(t, owner, subject)
		var won, conflicts atomic.Int64
		begun := make(chan struct{}, writers)
		start := make(chan struct{})
		group, ctx := errgroup.WithContext(t.Context())
		for n := range writers {
			group.Go(func() error {
				tx, err := writer.BeginTx(ctx, pgx.TxOptions{IsoLevel: level})
				if err == nil {
					_, err = tx.Exec(ctx, "SELECT 1") // takes the snapshot
				}
				begun <- struct{}{}
				if err != nil {
					return err
				}
				defer func() { _ = tx.Rollback(ctx) }()
				<-start
				if n%2 == 0 {
					_, err = tx.Exec(ctx, "SELECT eventfeed.append('e', 'T', $1, '{}', expected_version => $2)", subject, expected)
				} else {
					_, err = tx.Exec(ctx, "SELECT eventfeed.append_many('e', NULL, NULL, '{T,T}', ARRAY[$1, $1], NULL, NULL, NULL, NULL, NULL, ARRAY[$2, $2]::bigint[])", subject, expected)
				}
				if err == nil {
					err = tx.Commit(ctx)
				}
				refusal, is := errors.AsType[*pgconn.PgError](err)
				switch {
				case err == nil:
					won.Add(1)
				case is && refusal.Code == "40001" && (level == pgx.RepeatableRead || refusal.ConstraintName == "eventfeed_expected_version"):
					conflicts.Add(1)
				default:
					return err
				}
				return nil
			})
		}
		for range writers {
			<-begun
		}
		close(start)
		must.OK(t, group.Wait())
		if won.Load() != 1 || conflicts.Load() != writers-1 {
			t.Errorf("%s: %d of %d writers won, %d had a conflict", level, won.Load(), writers, conflicts.Load())
		}
	}
	storetest.Drain(t, l, "e")
	storetest.Verify(t, l, "e")
}

// blocked runs a statement on a connection of its own and returns once another session
// blocks it. The channel gives how it ended.
func blocked(t *testing.T, pool, owner *pgxpool.Pool, level pgx.TxIsoLevel, statement string) <-chan error {
	t.Helper()
	conn, err := pool.Acquire(t.Context())
	must.OK(t, err)
	var pid uint32
	must.OK(t, conn.QueryRow(t.Context(), "SELECT pg_backend_pid()").Scan(&pid))
	done := make(chan error, 1)
	go func() {
		defer conn.Release()
		done <- pgx.BeginTxFunc(context.WithoutCancel(t.Context()), conn, pgx.TxOptions{IsoLevel: level}, func(tx pgx.Tx) error {
			_, err := tx.Exec(context.WithoutCancel(t.Context()), statement)
			return err
		})
	}()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(2 * time.Millisecond) {
		var waits bool
		must.OK(t, owner.QueryRow(t.Context(), "SELECT cardinality(pg_blocking_pids($1::int)) > 0", pid).Scan(&waits))
		if waits {
			return done
		}
		select {
		case err := <-done:
			t.Fatalf("%s waited for nobody: %v", statement, err)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not get to where it waits", statement)
		}
	}
}

// TestAppendIsRepeatedWhileItsFirstTryIsOpen: a version conflict would tell a service
// to decide again what is decided already.
func TestAppendIsRepeatedWhileItsFirstTryIsOpen(t *testing.T) {
	t.Parallel()
	for name, statement := range map[string]string{
		"one":     `SELECT eventfeed.append('e', 'T', 'a', '1', id => 'a1', expected_version => 1)`,
		"several": `SELECT eventfeed.append_many('e', '{a1,n1,a2}', NULL, '{T,T,T}', '{a,n,a}', NULL, NULL, NULL, NULL, NULL, '{1,0,1}')`,
	} {
		for _, level := range []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.RepeatableRead} {
			for _, committed := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s, %s, committed %v", name, level, committed), func(t *testing.T) {
					t.Parallel()
					l, writer, owner := openEntities(t)
					_, err := writer.Exec(t.Context(), `SELECT eventfeed.append('e', 'T', 'a', '0', id => 'a0')`)
					must.OK(t, err)
					first, err := writer.Begin(t.Context())
					must.OK(t, err)
					defer func() { _ = first.Rollback(context.Background()) }()
					_, err = first.Exec(t.Context(), statement)
					must.OK(t, err)
					again := blocked(t, writer, owner, level, statement)
					if committed {
						must.OK(t, first.Commit(t.Context()))
					} else {
						must.OK(t, first.Rollback(t.Context()))
					}
					err = <-again
					if refusal, is := errors.AsType[*pgconn.PgError](err); is && committed && level == pgx.RepeatableRead {
						if refusal.Code != "40001" || refusal.ConstraintName != "" {
							t.Errorf("%v, want a serialization failure of the database's own", err)
						}
						_, err = writer.Exec(t.Context(), statement)
					}
					must.OK(t, err)
					want := int64(strings.Count(statement, "a1") + strings.Count(statement, "a2") + 1)
					if version := versionOf(t, owner, "a"); version != want {
						t.Errorf("version %d, want %d", version, want)
					}
					storetest.Drain(t, l, "e")
					storetest.Verify(t, l, "e")
				})
			}
		}
	}
}

// TestIDUnderAnotherSubjectIsNoRepeat, also if the one that has it commits while the
// other waits: a no-op would have taken a version that no event has.
func TestIDUnderAnotherSubjectIsNoRepeat(t *testing.T) {
	t.Parallel()
	for name, statement := range map[string]string{
		"one":     `SELECT eventfeed.append('e', 'T', 'b', '1', id => 'x', expected_version => 0)`,
		"several": `SELECT eventfeed.append_many('e', '{b0,x}', NULL, '{T,T}', '{b,b}', NULL, NULL, NULL, NULL, NULL, '{0,0}')`,
	} {
		for _, committed := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, committed %v", name, committed), func(t *testing.T) {
				t.Parallel()
				l, writer, owner := openEntities(t)
				first, err := writer.Begin(t.Context())
				must.OK(t, err)
				defer func() { _ = first.Rollback(context.Background()) }()
				_, err = first.Exec(t.Context(), `SELECT eventfeed.append('e', 'T', 'a', '1', id => 'x')`)
				must.OK(t, err)
				second := blocked(t, writer, owner, pgx.ReadCommitted, statement)
				if committed {
					must.OK(t, first.Commit(t.Context()))
					wantIDConflict(t, name, <-second, "x")
				} else {
					must.OK(t, first.Rollback(t.Context()))
					must.OK(t, <-second)
				}
				if version := versionOf(t, owner, "b"); (version == 0) != committed {
					t.Errorf("b is at version %d", version)
				}
				storetest.Drain(t, l, "e")
				storetest.Verify(t, l, "e")
			})
		}
	}
}

// TestOrderOfVersionsIsTheOrderOfPositionsWithoutAnyLock of the caller's: an event that
// waits for its entity must not have its place already.
func TestOrderOfVersionsIsTheOrderOfPositionsWithoutAnyLock(t *testing.T) {
	t.Parallel()
	for name, statement := range map[string]string{
		"one":     `SELECT eventfeed.append('e', 'T', 'a', '1', id => 'late')`,
		"several": `SELECT eventfeed.append_many('e', '{b1,late}', NULL, '{T,T}', '{b,a}', NULL, NULL, NULL, NULL, NULL)`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, writer, owner := openEntities(t)
			first, err := writer.Begin(t.Context())
			must.OK(t, err)
			defer func() { _ = first.Rollback(context.Background()) }()
			_, err = first.Exec(t.Context(), `SELECT eventfeed.append('e', 'T', 'a', '1', id => 'early')`)
			must.OK(t, err)
			waiting := blocked(t, writer, owner, pgx.ReadCommitted, statement)
			_, err = first.Exec(t.Context(), `SELECT eventfeed.append('e', 'T', 'a', '1', id => 'between')`)
			must.OK(t, err)
			must.OK(t, first.Commit(t.Context()))
			must.OK(t, <-waiting)
			storetest.Drain(t, l, "e")
			storetest.Verify(t, l, "e")
			var ids []string
			for _, e := range storetest.Read(t, l, "e") {
				if e.Subject == "a" {
					ids = append(ids, e.ID)
				}
			}
			if fmt.Sprint(ids) != "[early between late]" {
				t.Errorf("order %v", ids)
			}
		})
	}
}

// TestSubjectMayHaveAnyCollation: it has that of the column that a service takes it
// from.
func TestSubjectMayHaveAnyCollation(t *testing.T) {
	t.Parallel()
	l, _, owner := openEntities(t)
	_, err := owner.Exec(t.Context(), `
		CREATE COLLATION other (provider = icu, locale = 'und');
		CREATE TABLE orders (id text COLLATE other PRIMARY KEY);
		INSERT INTO orders VALUES ('o-1')`)
	must.OK(t, err)
	for _, statement := range []string{
		"SELECT eventfeed.append('e', 'T', o.id, '{}', id => 'x', expected_version => 0) FROM orders o",
		"SELECT eventfeed.append('e', 'T', o.id, '{}', id => 'x', expected_version => 0) FROM orders o",
		"SELECT eventfeed.append_many('e', ARRAY['x','y'], NULL, '{T,T}', ARRAY[o.id,o.id], NULL, '{application/json,application/json}', NULL, NULL, '{\"\\\\x7b7d\",\"\\\\x7b7d\"}', '{1,1}') FROM orders o",
		"SELECT eventfeed.append_many('e', ARRAY['z'], NULL, '{T}', ARRAY[o.id], NULL, NULL, NULL, NULL, NULL, '{2}') FROM orders o",
		"SELECT 1/(eventfeed.version('e', o.id) = 3)::int FROM orders o",
		"SELECT 1/eventfeed.save_snapshot('e', o.id, o.id, o.id, 3, 'z', NULL, 'state')::int FROM orders o",
		"SELECT 1/(count(*) = 1)::int FROM orders o, eventfeed.load('e', o.id, o.id, o.id)",
		"SELECT 1/(count(*) = 3)::int FROM orders o, eventfeed.load('e', o.id)",
		"SELECT 1/(count(*) = 1)::int FROM orders o, eventfeed.snapshots('e', o.id, o.id)",
		"SELECT 1/(eventfeed.position('e', NULL, o.id || '') IS NULL)::int FROM (SELECT 'z' COLLATE other AS id) o",
	} {
		if _, err := owner.Exec(t.Context(), statement); err != nil {
			t.Errorf("%s: %v", statement, err)
		}
	}
	storetest.Drain(t, l, "e")
	storetest.Verify(t, l, "e")
}
