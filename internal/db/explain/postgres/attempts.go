package explainpostgres

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// noTLS is how pgx ends the error of an attempt to connect with TLS to a server that
// has none.
const noTLS = "server refused TLS connection"

// Text returns the text of an error. pgx makes several attempts to connect, with TLS
// and without, to each address of a host; Text names each reason once, and the
// refusal of TLS only if every attempt ended with it.
func Text(err error) string {
	connect, is := errors.AsType[*pgconn.ConnectError](err)
	if !is {
		return err.Error()
	}
	attempts, several := connect.Unwrap().(interface{ Unwrap() []error })
	if !several {
		return err.Error()
	}
	var reasons, refusals []string
	for _, attempt := range attempts.Unwrap() {
		to := &reasons
		if strings.HasSuffix(attempt.Error(), noTLS) {
			to = &refusals
		}
		if !slices.Contains(*to, attempt.Error()) {
			*to = append(*to, attempt.Error())
		}
	}
	if reasons == nil {
		reasons = refusals
	}
	text := fmt.Sprintf("failed to connect to `user=%s database=%s`: %s", connect.Config.User, connect.Config.Database, strings.Join(reasons, "; "))
	return strings.Replace(err.Error(), connect.Error(), text, 1)
}
