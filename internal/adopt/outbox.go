package adopt

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// outboxColumns says which columns of an outbox table the attributes of an
// event come from.
type outboxColumns struct {
	ID, Type, Subject, Data, Time *Column // Subject and Time may be nil
	ContentType                   string  // an SQL literal
	Order                         []Column
}

// Outbox returns the recipe for a table whose rows are events: one event for
// each row that is there, in their order, then one for each that is inserted.
func Outbox(ctx context.Context, tx pgx.Tx, t *Table, o Options) ([]File, error) {
	r, err := newRecipe(ctx, tx, t, o)
	if err != nil {
		return nil, err
	}
	if r.Outbox, err = r.outbox(ctx, tx, o); err != nil {
		return nil, err
	}
	return r.files(
		"0-check.sql", "outbox-check", "1-prepare.sql", "outbox-prepare", "2-trigger.sql", "trigger", "3-import.sql", "outbox-import",
		"4-finish.sql", "finish", "undo.sql", "outbox-undo")
}

func (r *recipe) outbox(ctx context.Context, tx pgx.Tx, o Options) (*outboxColumns, error) {
	c := new(outboxColumns)
	for _, attribute := range []struct {
		column   **Column
		flag     string
		given    string
		required bool
		fits     func(Column) bool
		known    []string
	}{
		{&c.ID, "id", o.ID, true, isText, []string{"eventid", "messageid", "id"}},
		{&c.Type, "type", o.Type, true, isText, []string{"eventtype", "type", "messagetype", "kind", "name"}},
		{&c.Subject, "subject", o.Subject, false, isText, []string{"subject", "aggregateid", "entityid"}},
		{&c.Data, "data", o.Data, true, isData, []string{"payload", "data", "body", "eventdata"}},
		{&c.Time, "time", o.Time, false, isTime, []string{"occurredat", "createdat", "time", "timestamp", "created"}},
	} {
		column, err := r.attribute(attribute.given, attribute.known)
		switch {
		case err != nil:
			return nil, err
		case column != nil && !attribute.fits(*column):
			if attribute.given == "" && !attribute.required {
				continue
			}
			return nil, fmt.Errorf("%w %s: column %s has the type %s; name another column with --%s", ErrTable, r.SQL, column.SQL, column.Type, attribute.flag)
		case column == nil && attribute.required:
			return nil, fmt.Errorf("%w %s: which column holds the %s of an event? Name it with --%s; the columns are %s",
				ErrTable, r.SQL, attribute.flag, attribute.flag, columnList(r.Columns, ""))
		}
		*attribute.column = column
	}
	if _, err := r.Table.Key(ctx, tx, []string{c.ID.Name}); err != nil && !r.Partitioned {
		return nil, fmt.Errorf("the id of an event must be its own: %w", strayFlag(err))
	}
	c.ContentType = literal(o.ContentType)
	if o.ContentType == "" {
		if c.Data.base != "json" && c.Data.base != "jsonb" {
			return nil, fmt.Errorf("%w %s: column %s has the type %s; say what it holds with --content-type, such as application/json", ErrTable, r.SQL, c.Data.SQL, c.Data.Type)
		}
		c.ContentType = "'application/json'"
	}
	var err error
	c.Order = r.Key
	if len(o.Order) > 0 {
		c.Order, err = r.named(o.Order)
	} else if len(r.Key) > 1 || !slices.Contains([]string{"int2", "int4", "int8", "numeric"}, r.Key[0].base) {
		err = fmt.Errorf("%w %s: its key (%s) does not say in which order the rows were written; name the columns that do with --order, such as --order created_at,id",
			ErrTable, r.SQL, columnList(r.Key, ""))
	}
	return c, err
}

// strayFlag takes the advice about --key out of an error: here --id is meant.
func strayFlag(err error) error {
	return fmt.Errorf("%s", strings.ReplaceAll(err.Error(), "name another key with --key", "name another column with --id")) //nolint:err113 // it ends here
}

// attribute returns the column that was named, or the first whose name is known.
func (r *recipe) attribute(given string, known []string) (*Column, error) {
	if given != "" {
		c, err := r.Column(given)
		return &c, err
	}
	for _, name := range known {
		for i := range r.Columns {
			if strings.ReplaceAll(strings.ToLower(r.Columns[i].Name), "_", "") == name {
				return &r.Columns[i], nil
			}
		}
	}
	return nil, nil //nolint:nilnil // there may be none
}

func isText(c Column) bool { return c.base != "bytea" && c.base != "json" && c.base != "jsonb" }

func isData(c Column) bool {
	return slices.Contains([]string{"json", "jsonb", "text", "varchar", "bytea"}, c.base)
}

func isTime(c Column) bool { return slices.Contains([]string{"timestamptz", "timestamp"}, c.base) }

// Attributes are the SQL of the attributes of a row r, in the order in which
// the recipe's function returns them.
func (c *outboxColumns) Attributes() string {
	data := "r." + c.Data.SQL
	if c.Data.base != "bytea" {
		data = "convert_to(" + data + "::text, 'UTF8')"
	}
	subject, time := "NULL::text", "NULL::timestamptz"
	if c.Subject != nil {
		subject = "r." + c.Subject.SQL + "::text"
	}
	if c.Time != nil {
		time = "r." + c.Time.SQL + "::timestamptz"
	}
	return fmt.Sprintf("r.%s::text AS id, r.%s::text AS type, %s AS subject,\n        %s AS data, CASE WHEN r.%s IS NOT NULL THEN %s END AS content_type, %s AS occurred_at",
		c.ID.SQL, c.Type.SQL, subject, data, c.Data.SQL, c.ContentType, time)
}
