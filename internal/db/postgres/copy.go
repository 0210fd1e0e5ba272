package postgresdb

import (
	"errors"
	"regexp"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
)

// copyLine finds the row in the context of an error of COPY, such as "COPY
// events, line 3, column subject", in whatever language the server speaks. The
// names of table and column must hold no digits.
var copyLine = regexp.MustCompile(`COPY\D*([0-9]+)|([0-9]+)\D*COPY`)

// CopyRow returns which row of a COPY an error is about, from 0, or -1 if it
// does not say.
func CopyRow(err error) int {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return -1
	}
	found := copyLine.FindStringSubmatch(pgErr.Where)
	if found == nil {
		return -1
	}
	line, err := strconv.Atoi(found[1] + found[2])
	if err != nil {
		return -1
	}
	return line - 1
}
