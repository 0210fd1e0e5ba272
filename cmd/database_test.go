package cmd_test

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx, for rows
	"github.com/rogpeppe/go-internal/testscript"

	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// execute, as the command sql DB STATEMENT, runs a statement in a database, or
// those in a file: sql DB @FILE.
func execute(ts *testscript.TestScript, _ bool, arguments []string) {
	ctx, statement := context.Background(), arguments[1]
	if file, ok := strings.CutPrefix(statement, "@"); ok {
		statement = ts.ReadFile(file)
	}
	if strings.HasPrefix(arguments[0], sqlitedb.Scheme) {
		path, err := sqlitedb.Path(arguments[0])
		ts.Check(err)
		db, err := sqlitedb.OpenWriter(ctx, ts.MkAbs(path))
		ts.Check(err)
		_, err = db.ExecContext(ctx, statement)
		ts.Check(err)
		ts.Check(db.Close())
		return
	}
	conn, err := pgx.Connect(ctx, arguments[0])
	ts.Check(err)
	_, err = conn.Exec(ctx, statement)
	ts.Check(err)
	ts.Check(conn.Close(ctx))
}

// rows DB QUERY prints what a query gives: a row a line, its columns as text
// with | between them.
func rows(ts *testscript.TestScript, _ bool, arguments []string) {
	driver, source := "pgx", arguments[0]
	if strings.HasPrefix(source, sqlitedb.Scheme) {
		path, err := sqlitedb.Path(source)
		ts.Check(err)
		driver, source = "sqlite", ts.MkAbs(path)
	}
	db, err := sql.Open(driver, source)
	ts.Check(err)
	defer func() { _ = db.Close() }()
	found, err := db.QueryContext(context.Background(), arguments[1])
	ts.Check(err)
	defer func() { _ = found.Close() }()
	columns, err := found.Columns()
	ts.Check(err)
	for found.Next() {
		cells, pointers := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range cells {
			pointers[i] = &cells[i]
		}
		ts.Check(found.Scan(pointers...))
		for i, cell := range cells {
			_, err = fmt.Fprint(ts.Stdout(), cell.String, map[bool]string{true: "\n", false: "|"}[i == len(cells)-1])
			ts.Check(err)
		}
	}
	ts.Check(found.Err())
}

// role DB makes a role with the name of a PostgreSQL database, which may log in
// with the password secret and do nothing else, until the end of the script.
func role(ts *testscript.TestScript, _ bool, arguments []string) {
	u, err := url.Parse(arguments[0])
	ts.Check(err)
	name := pgx.Identifier{strings.TrimPrefix(u.Path, "/")}.Sanitize()
	superuser := testdb.As(arguments[0], "postgres")
	execute(ts, false, []string{superuser, "CREATE ROLE " + name + " LOGIN PASSWORD 'secret'"})
	ts.Defer(func() {
		execute(ts, false, []string{superuser + "&default_transaction_read_only=off", "DROP OWNED BY " + name + "; DROP ROLE " + name})
	})
}

// setURL, as the command url VARIABLE URL PART…, sets VARIABLE to a database
// URL with other parts: port=, database= or user=, without a value the one with
// the database's name.
func setURL(ts *testscript.TestScript, _ bool, arguments []string) {
	u, err := url.Parse(arguments[1])
	ts.Check(err)
	for _, part := range arguments[2:] {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "port":
			u.Host = net.JoinHostPort(u.Hostname(), value)
		case "database":
			u.Path = "/" + value
		case "user":
			u.User = url.User(cmp.Or(value, strings.TrimPrefix(u.Path, "/")))
		default:
			ts.Fatalf("url: unknown part %q", part)
		}
	}
	ts.Setenv(arguments[0], u.String())
}
