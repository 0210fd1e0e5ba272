// Package adopt writes the SQL that lets the rows of an existing table become
// events of a feed: steps for the service's database, and a projection for the
// consumer's. It reads the table's columns from the database and changes nothing.
package adopt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// ErrTable reports that the table, or a column that was named, does not fit.
var ErrTable = errors.New("cannot adopt the table")

// Table is a table as the database describes it. Its SQL names are quoted
// where they must be.
type Table struct {
	Schema, Name string // as the catalog has them
	SQL          string // schema and name
	SchemaSQL    string
	Target       string // name without schema, for the consumer's table
	Owner        string // SQL name of the role that owns it
	Partitioned  bool
	Columns      []Column
	primary      []string // names of the primary key's columns
}

// Column is a column of a table.
type Column struct {
	Name string // as the catalog has it
	SQL  string // quoted where it must be
	Type string // SQL type with its modifier, such as numeric(10,2)
	// Portable is the type that a database without the types of this one's
	// users can have: text for an enum, jsonb for a composite type.
	Portable string
	NotNull  bool
	base     string // name of the type, or of that which a domain stands on
	equals   string // SQL operator that the column's indexes compare with
}

// Describe reads the table that name stands for, as SQL would write it: with
// the schema if it is not on the search path, and in quotes if it has capitals.
// The transaction has no search path afterwards.
func Describe(ctx context.Context, tx pgx.Tx, name string) (*Table, error) {
	t := new(Table)
	var oid uint32
	var kind string
	var inherited bool
	err := tx.QueryRow(ctx, `
		SELECT c.oid, n.nspname, c.relname, quote_ident(n.nspname), quote_ident(c.relname), quote_ident(n.nspname) || '.' || quote_ident(c.relname),
		       quote_ident(pg_get_userbyid(c.relowner)), c.relkind::text, c.relkind = 'p',
		       c.relispartition OR c.relkind <> 'p' AND EXISTS (SELECT FROM pg_inherits i WHERE c.oid IN (i.inhparent, i.inhrelid))
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass($1)`, name).
		Scan(&oid, &t.Schema, &t.Name, &t.SchemaSQL, &t.Target, &t.SQL, &t.Owner, &kind, &t.Partitioned, &inherited)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, missing(ctx, tx, name)
	case err != nil:
		return nil, fmt.Errorf("find table %s: %w", name, err)
	case kind != "r" && kind != "p":
		return nil, fmt.Errorf("%w %s: it is no table that can have row triggers, but a view, an index or the like", ErrTable, name)
	case inherited:
		return nil, fmt.Errorf("%w %s: it is a partition, or inherits or is inherited from; name the partitioned table that it belongs to", ErrTable, name)
	}
	// So that the names of types have their schemas.
	if _, err := tx.Exec(ctx, "SET LOCAL search_path = pg_catalog, pg_temp"); err != nil {
		return nil, err
	}
	if t.Columns, err = columns(ctx, tx, oid); err != nil {
		return nil, fmt.Errorf("read the columns of %s: %w", t.SQL, err)
	}
	t.primary, err = list(ctx, tx, `
		SELECT a.attname FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey[:i.indnkeyatts - 1]) WITH ORDINALITY k (attnum, n)
		JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
		WHERE i.indrelid = $1 AND i.indisprimary ORDER BY k.n`, oid)
	return t, err
}

// missing says that there is no such table, and names the one that was meant.
func missing(ctx context.Context, tx pgx.Tx, name string) error {
	plain := strings.ReplaceAll(name, `"`, "")
	near, err := list(ctx, tx, `
		SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND (lower(c.relname) = lower($1) OR lower(n.nspname || '.' || c.relname) = lower($1))
		ORDER BY 1 LIMIT 3`, plain)
	if err != nil {
		return fmt.Errorf("find table %s: %w", name, err)
	}
	if len(near) == 0 {
		return fmt.Errorf("%w %s: there is none of that name; name its schema too, as in crm.customers, and put a name with capitals in double quotes", ErrTable, name)
	}
	return fmt.Errorf("%w %s: there is none of that name; did you mean --table '%s'?", ErrTable, name, strings.Join(near, "' or '"))
}

// columns reads the columns. The portable type of a domain is that of what it
// stands on; enums and ranges of users come as text, composite types as JSON.
func columns(ctx context.Context, tx pgx.Tx, table uint32) ([]Column, error) {
	rows, err := tx.Query(ctx, `
		WITH RECURSIVE base (attnum, oid, typmod) AS (
			SELECT a.attnum, a.atttypid, a.atttypmod FROM pg_attribute a WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
			UNION ALL
			SELECT b.attnum, t.typbasetype, t.typtypmod FROM base b JOIN pg_type t ON t.oid = b.oid WHERE t.typtype = 'd')
		SELECT a.attname, quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
		       CASE WHEN t.typtype = 'c' OR e.typtype = 'c' THEN 'jsonb'
		            WHEN t.typcategory = 'A' AND e.typnamespace <> 'pg_catalog'::regnamespace THEN 'text[]'
		            WHEN t.typname ~ '^reg' OR t.typcategory <> 'A' AND t.typnamespace <> 'pg_catalog'::regnamespace THEN 'text'
		            ELSE format_type(t.oid, b.typmod) END,
		       a.attnotnull, t.typname,
		       coalesce((SELECT CASE WHEN o.oprnamespace = 'pg_catalog'::regnamespace THEN o.oprname::text ELSE 'OPERATOR(' || quote_ident(s.nspname) || '.' || o.oprname || ')' END
		           FROM pg_opclass c JOIN pg_amop m ON m.amopfamily = c.opcfamily AND m.amoplefttype = c.opcintype AND m.amoprighttype = c.opcintype AND m.amopstrategy = 3
		           JOIN pg_operator o ON o.oid = m.amopopr JOIN pg_namespace s ON s.oid = o.oprnamespace
		           WHERE c.opcmethod = (SELECT h.oid FROM pg_am h WHERE h.amname = 'btree') AND c.opcdefault AND c.opcintype = t.oid LIMIT 1), '=')
		FROM base b
		JOIN pg_type t ON t.oid = b.oid AND t.typtype <> 'd'
		JOIN pg_attribute a ON a.attrelid = $1 AND a.attnum = b.attnum
		LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
		ORDER BY a.attnum`, table)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (c Column, err error) {
		err = row.Scan(&c.Name, &c.SQL, &c.Type, &c.Portable, &c.NotNull, &c.base, &c.equals)
		return c, err
	})
}

// Column returns the column of that name, which may be written as SQL would.
func (t *Table) Column(name string) (Column, error) {
	for _, spelled := range []string{name, strings.ToLower(name), strings.ReplaceAll(strings.Trim(name, `"`), `""`, `"`)} {
		if i := slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == spelled }); i >= 0 {
			return t.Columns[i], nil
		}
	}
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.SQL
	}
	return Column{}, fmt.Errorf("%w %s: it has no column %s, but %s", ErrTable, t.SQL, name, strings.Join(names, ", "))
}

// named returns the columns of these names.
func (t *Table) named(names []string) ([]Column, error) {
	all := make([]Column, len(names))
	for i, name := range names {
		var err error
		if all[i], err = t.Column(name); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Key returns the columns that tell rows apart: those named, or the primary
// key. They must be unique at each moment and never NULL.
func (t *Table) Key(ctx context.Context, tx pgx.Tx, names []string) ([]Column, error) {
	if len(names) == 0 {
		names = t.primary
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%w %s: it has no primary key; name the unique columns that tell its rows apart with --key", ErrTable, t.SQL)
	}
	key, err := t.named(names)
	if err != nil {
		return nil, err
	}
	var sorted []string
	for _, c := range key {
		if !c.NotNull {
			return nil, fmt.Errorf("%w %s: column %s of the key may be NULL; make it NOT NULL, or name another key with --key", ErrTable, t.SQL, c.SQL)
		}
		sorted = append(sorted, c.Name)
	}
	slices.Sort(sorted)
	unique, err := list(ctx, tx, `
		SELECT i.indimmediate::text FROM pg_index i
		WHERE i.indrelid = $1::regclass AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
		AND (SELECT array_agg(a.attname::text ORDER BY a.attname::text COLLATE "C")
		     FROM unnest(i.indkey[:i.indnkeyatts - 1]) k (attnum) JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum) = $2::text[]
		ORDER BY i.indimmediate DESC`, t.SQL, sorted)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the indexes of %s: %w", t.SQL, err)
	case len(unique) == 0:
		return nil, fmt.Errorf("%w %s: no unique index on (%s) identifies its rows; create one, or name another key with --key", ErrTable, t.SQL, columnList(key, ""))
	case unique[0] != "true":
		return nil, fmt.Errorf("%w %s: the key (%s) is DEFERRABLE, so two rows may swap keys, and the order of their events would be wrong; name another key with --key", ErrTable, t.SQL, columnList(key, ""))
	}
	return key, nil
}

// columnList is the names of columns, each behind a prefix such as "o.".
func columnList(columns []Column, prefix string) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = prefix + c.SQL
	}
	return strings.Join(names, ", ")
}

func list(ctx context.Context, tx pgx.Tx, sql string, arguments ...any) ([]string, error) {
	rows, err := tx.Query(ctx, sql, arguments...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
