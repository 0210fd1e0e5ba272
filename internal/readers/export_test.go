package readers

import "time"

// SetTime gives the list a clock.
func (l *List) SetTime(now func() time.Time) { l.now = now }
