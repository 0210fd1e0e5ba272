package sqlitedb

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/eventfeed/eventfeed/internal/cloudevents"
)

// Time returns a target for Scan that sets *to to the time of a column of text, which is
// written as [cloudevents.FormatTime] writes it. The time is in UTC; NULL is the zero time.
// Scan's error names the column.
func Time(to *time.Time) sql.Scanner { return textTime{to} }

type textTime struct{ to *time.Time }

// Scan implements [sql.Scanner].
func (t textTime) Scan(value any) (err error) {
	switch text := value.(type) {
	case nil:
		*t.to = time.Time{}
	case string:
		*t.to, err = cloudevents.ParseTime(text)
	default:
		err = fmt.Errorf("a time is stored as %T, not as text", value)
	}
	return err
}

// NullTime returns a query's argument that [Time] reads as t: NULL for the zero time.
func NullTime(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return cloudevents.FormatTime(t)
}
