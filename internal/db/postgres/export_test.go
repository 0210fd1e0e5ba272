package postgresdb

import (
	"context"
	"time"
)

// Setting returns a parameter of the session that holds the lock.
func (l *AdvisoryLock) Setting(ctx context.Context, name string) (value string, err error) {
	l.stop()
	<-l.ended
	err = l.conn.QueryRow(ctx, "SELECT current_setting($1)", name).Scan(&value)
	return value, err
}

// Hurry makes a step wait no longer than this for what it waits a minute otherwise.
func (s *Step) Hurry(d time.Duration) { s.interval, s.answer, s.deadAfter = d, d, d }
