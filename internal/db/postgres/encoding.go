package postgresdb

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// encoding is how Go's strings are encoded, and so what every connection must
// speak: PostgreSQL takes the bytes of a text for whatever client_encoding says,
// and stores other characters without an error.
const encoding = "UTF8"

// checkEncoding refuses a connection that does not speak UTF-8, by what was
// reported when it was opened.
func checkEncoding(_ context.Context, conn *pgx.Conn) error {
	return encodingError(conn.PgConn().ParameterStatus("client_encoding"))
}

// askEncoding asks the server itself: a pooler reports what it was asked for,
// also where its own settings make the server use another encoding.
func askEncoding(ctx context.Context, conn *pgx.Conn) error {
	var is string
	if err := conn.QueryRow(ctx, "SHOW client_encoding").Scan(&is); err != nil { // not in a transaction of Own, which sets it
		return fmt.Errorf("ask for client_encoding: %w", err)
	}
	return encodingError(is)
}

func encodingError(is string) error {
	if is == encoding {
		return nil
	}
	return fmt.Errorf("client_encoding is %s, although %s was asked for: look for client_encoding and connect_query in the settings of the pooler", is, encoding)
}
