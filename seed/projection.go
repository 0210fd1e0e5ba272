package seed

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/projection"
)

// Projection is a file of SQL statements that brings events into tables of the
// caller's: docs/projections.md says how it is written.
type Projection struct {
	Name string // the file's path, for messages; the target keeps its last element
	Text []byte
	// Strict refuses events of types that no block names. Else they are counted
	// and passed over.
	Strict bool
	// Schema is the PostgreSQL schema that names without one belong to, made if
	// it is missing. Empty leaves that to the connection's search_path.
	Schema string
}

// PostgresProjection returns a target in PostgreSQL whose events are applied by
// a projection. It returns an error of the projection's text.
func PostgresProjection(pool *pgxpool.Pool, p Projection) (Target, error) {
	parsed, err := projection.Parse(p.Name, p.Text)
	if err != nil {
		return nil, err
	}
	keeper := checkpoint.NewPostgres(pool)
	keeper.Fresh = true
	target := postgresTarget(keeper, projection.NewPostgres(parsed, p.Schema, p.Strict), p.kind(parsed))
	return named{projected{target, parsed}, nameOf(pool)}, nil
}

// SQLiteProjection returns a target in the SQLite database file at path whose
// events are applied by a projection. It returns an error of the projection's
// text.
func SQLiteProjection(path string, p Projection) (Target, error) {
	parsed, err := projection.Parse(p.Name, p.Text)
	if err != nil {
		return nil, err
	}
	if zone := parsed.TimeZone(); zone != projection.UTC {
		return nil, fmt.Errorf("%s: timezone %s: SQLite has no time zones, all of it is in UTC", p.Name, zone)
	}
	target := &sqliteTarget{path: path, sink: projection.NewSQLite(parsed, p.Strict), kind: p.kind(parsed)}
	return named{projected{target, parsed}, path}, nil
}

// projected is a target that is filled by a projection.
type projected struct {
	Target
	projection *projection.Projection
}

func (p projected) heads() []projection.Head { return p.projection.Heads() }

func (p Projection) kind(parsed *projection.Projection) checkpoint.Consumer {
	hash := sha256.Sum256(p.Text)
	return checkpoint.Consumer{Sink: checkpoint.SinkProjection, Projection: filepath.Base(p.Name), ProjectionHash: hash[:], SetupHash: parsed.SetupHash(),
		Schema: p.Schema, TimeZone: parsed.TimeZone()}
}
