package seed

import (
	"crypto/sha256"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/projection"
)

// Projection is a file of SQL statements that brings events into tables of the
// caller's: docs/projections.md says how it is written.
type Projection struct {
	Name string // the file's, for messages
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
	return named{postgresTarget(keeper, projection.NewPostgres(parsed, p.Schema, p.Strict), p.kind()), nameOf(pool)}, nil
}

// SQLiteProjection returns a target in the SQLite database file at path whose
// events are applied by a projection. It returns an error of the projection's
// text.
func SQLiteProjection(path string, p Projection) (Target, error) {
	parsed, err := projection.Parse(p.Name, p.Text)
	if err != nil {
		return nil, err
	}
	return named{&sqliteTarget{path: path, sink: projection.NewSQLite(parsed, p.Strict), kind: p.kind()}, path}, nil
}

func (p Projection) kind() checkpoint.Consumer {
	hash := sha256.Sum256(p.Text)
	return checkpoint.Consumer{Sink: checkpoint.SinkProjection, Projection: p.Name, ProjectionHash: hash[:], Schema: p.Schema}
}
