package readers

import "time"

// SetTime gives the list a clock, for tests. It is called before the list is used.
func (l *List) SetTime(now func() time.Time) { l.now = now }
