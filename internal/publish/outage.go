package publish

import "log/slog"

// outage is what keeps a loop or a feed from going on: the same error again and
// again, which is said once. It is for one goroutine at a time.
type outage struct {
	logger *slog.Logger
	over   string // is said when there is no error any more
	error  string // empty if there is none
}

// is notes how a try ended, and says what has changed.
func (o *outage) is(text string, err error) {
	switch {
	case err == nil && o.error != "":
		o.error = ""
		o.logger.Info(o.over)
	case err != nil && o.error != err.Error():
		o.error = err.Error()
		o.logger.Warn(text, "error", err)
	}
}
