package adopt

import (
	"context"
	"embed"
	"fmt"
	"regexp"
	"strings"
	"text/template"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/internal/store"
)

// Options says how rows become events.
type Options struct {
	Feed   string   // name of the feed; by default made of the table's name
	Key    []string // columns that tell rows apart; by default the primary key
	Entity string   // what a row is, the beginning of the types of a state table's events; by default made of the table's name

	// Of an outbox table the columns that an event's attributes come from.
	ID, Type, Subject, Data, Time string
	ContentType                   string
	Order                         []string // columns that sort the rows as they were written; by default the key
}

// File is a file of a recipe.
type File struct{ Name, Text string }

//go:embed sql/*.sql
var texts embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{"list": columnList, "literal": literal, "inc": func(i int) int { return i + 1 }}).ParseFS(texts, "sql/*.sql"))

// recipe is what the templates show.
type recipe struct {
	*Table
	FeedName     string
	Feed, Entity string // Feed is an SQL literal
	Key          []Column
	Outbox       *outboxColumns // nil for a table with the present state
}

// State returns the recipe for a table that holds the present state: an event
// for each row, then one for each change; and the consumer's projection.
func State(ctx context.Context, tx pgx.Tx, t *Table, o Options) ([]File, error) {
	r, err := newRecipe(ctx, tx, t, o)
	if err != nil {
		return nil, err
	}
	return r.files(
		"0-check.sql", "state-check", "1-prepare.sql", "state-prepare", "2-trigger.sql", "trigger", "3-import.sql", "state-import",
		"4-finish.sql", "finish", "undo.sql", "state-undo", "projection.sql", "state-projection")
}

func newRecipe(ctx context.Context, tx pgx.Tx, t *Table, o Options) (*recipe, error) {
	r := &recipe{Table: t, Entity: o.Entity}
	feed := o.Feed
	if feed == "" {
		feed = feedName(t.Name)
	}
	if err := store.CheckName(feed); err != nil {
		return nil, fmt.Errorf("%w; name the feed with --feed", err)
	}
	r.FeedName, r.Feed = feed, literal(feed)
	if r.Entity == "" {
		r.Entity = entityName(t.Name)
	}
	if !plainType.MatchString(r.Entity) {
		return nil, fmt.Errorf("%w %s: %q cannot begin the type of an event; give --entity a name of letters, digits, '.', '_' and '-'", ErrTable, t.SQL, r.Entity)
	}
	var err error
	r.Key, err = t.Key(ctx, tx, o.Key)
	return r, err
}

// files executes templates; names are those of files and templates in turn.
func (r *recipe) files(names ...string) ([]File, error) {
	var files []File
	for i := 0; i < len(names); i += 2 {
		var text strings.Builder
		if err := templates.ExecuteTemplate(&text, names[i+1]+".sql", r); err != nil {
			return nil, err
		}
		files = append(files, File{names[i], text.String()})
	}
	return files, nil
}

// longestSuffix is that of the names that Object makes.
const longestSuffix = "_eventfeed_import_rows"

// Object is the SQL name of something that the recipe makes, in the table's
// schema: the table's name, cut so that PostgreSQL need not, and a suffix.
func (r *recipe) Object(suffix string) string {
	name := r.Name
	for len(name) > 63-len(longestSuffix) {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	return r.SchemaSQL + "." + identifier(name+suffix)
}

// Fixed is settings that functions have, so that a row makes the same event
// whatever session writes it. Types and operators are PostgreSQL's own.
func (r *recipe) Fixed() string {
	return `SET search_path = pg_catalog, pg_temp SET "TimeZone" = 'UTC' SET "DateStyle" = 'ISO, MDY' SET "IntervalStyle" = 'postgres'
SET bytea_output = 'hex' SET extra_float_digits = 1 SET lc_monetary = 'C'`
}

// KeyIs compares the key's columns of two rows, as the table's index does.
func (r *recipe) KeyIs(a, b string) string {
	conditions := make([]string, len(r.Key))
	for i, c := range r.Key {
		conditions[i] = fmt.Sprintf("%s.%s %s %s.%s", a, c.SQL, c.equals, b, c.SQL)
	}
	return strings.Join(conditions, " AND ")
}

// TargetKey compares the key's columns of the consumer's table t and a row r.
func (r *recipe) TargetKey() string {
	conditions := make([]string, len(r.Key))
	for i, c := range r.Key {
		conditions[i] = fmt.Sprintf("t.%s = r.%[1]s", c.SQL)
	}
	return strings.Join(conditions, " AND ")
}

// QueueKey compares a row r with the key's columns of the queue q.
func (r *recipe) QueueKey() string {
	conditions := make([]string, len(r.Key))
	for i, c := range r.Key {
		conditions[i] = fmt.Sprintf("q.key_%d %s r.%s", i+1, c.equals, c.SQL)
	}
	return strings.Join(conditions, " AND ")
}

// QueueColumns is the key's columns in the queue.
func (r *recipe) QueueColumns() string {
	names := make([]string, len(r.Key))
	for i := range r.Key {
		names[i] = fmt.Sprintf("key_%d", i+1)
	}
	return strings.Join(names, ", ")
}

// KeyParameters is $1, $2 … for the key's columns.
func (r *recipe) KeyParameters() string {
	parameters := make([]string, len(r.Key))
	for i := range r.Key {
		parameters[i] = fmt.Sprintf("$%d", i+1)
	}
	return strings.Join(parameters, ", ")
}

// Rest is the columns that are not of the key.
func (r *recipe) Rest() []Column {
	var rest []Column
	for _, c := range r.Columns {
		if !r.isKey(c) {
			rest = append(rest, c)
		}
	}
	return rest
}

func (r *recipe) isKey(c Column) bool {
	for _, k := range r.Key {
		if k.Name == c.Name {
			return true
		}
	}
	return false
}

// Definitions are the consumer's columns, a line each.
func (r *recipe) Definitions() string {
	width := 0
	for _, c := range r.Columns {
		width = max(width, utf8.RuneCountInString(c.SQL))
	}
	var lines strings.Builder
	for _, c := range r.Columns {
		note := ""
		if c.Portable != c.Type {
			note = " -- " + onOneLine(c.Type) + " there"
		}
		fmt.Fprintf(&lines, "  %-*s %s,%s\n", width, c.SQL, c.Portable, note)
	}
	return lines.String()
}

// Subject is the SQL of what an event of a row is about: the key as text, or a
// JSON array if it has several columns.
func (r *recipe) Subject(row string) string {
	if len(r.Key) == 1 {
		return row + "." + r.Key[0].SQL + "::text"
	}
	return "json_build_array(" + columnList(r.Key, row+".") + ")::text"
}

var (
	plainName = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)
	plainType = regexp.MustCompile(`^[\pL\pN_][\pL\pN._-]{0,200}$`)
	notInFeed = regexp.MustCompile(`[^a-z0-9._-]+`)
)

// identifier quotes a name that is no keyword, where it must be.
func identifier(name string) string {
	if plainName.MatchString(name) {
		return name
	}
	return pgx.Identifier{name}.Sanitize()
}

// literal quotes a text for SQL.
func literal(text string) string {
	quoted := "'" + strings.ReplaceAll(text, "'", "''") + "'"
	if strings.Contains(text, `\`) {
		return " E" + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}

// onOneLine makes a name fit for a comment.
func onOneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\ufffd'
	}, text)
}

// feedName makes a feed's name of a table's.
func feedName(table string) string {
	return strings.Trim(notInFeed.ReplaceAllString(strings.ToLower(table), "-"), "-._")
}

// entityName makes of a table's name what one row is: OrderLine of order_lines.
func entityName(table string) string {
	var name strings.Builder
	for _, word := range strings.FieldsFunc(table, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		first, size := utf8.DecodeRuneInString(word)
		name.WriteString(string(unicode.ToUpper(first)) + word[size:])
	}
	singular := name.String()
	switch {
	case strings.HasSuffix(singular, "ies") && len(singular) > 4:
		return strings.TrimSuffix(singular, "ies") + "y"
	case strings.HasSuffix(singular, "ss"), strings.HasSuffix(singular, "us"), strings.HasSuffix(singular, "is"):
		return singular
	default:
		return strings.TrimSuffix(singular, "s")
	}
}
