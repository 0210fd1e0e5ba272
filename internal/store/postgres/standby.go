package postgres

import (
	"fmt"

	"github.com/eventfeed/eventfeed/internal/dberror"
	"github.com/eventfeed/eventfeed/internal/store"
)

// readOnly says it plainly where an error comes of a database that cannot be
// written to.
func readOnly(err error) error {
	if dberror.IsReadOnly(err) {
		return fmt.Errorf("%w (%w)", store.ErrReadOnly, err)
	}
	return err
}
