package publish

import "log/slog"

// outage is what keeps a loop from its work: the same error again and again,
// which is said once. It is for one goroutine.
type outage struct {
	logger *slog.Logger
	error  string // empty if there is none
}

// is notes how a try ended, and says what has changed.
func (o *outage) is(text string, err error) {
	switch {
	case err == nil && o.error != "":
		o.error = ""
		o.logger.Info("the database can be used again")
	case err != nil && o.error != err.Error():
		o.error = err.Error()
		o.logger.Warn(text, "error", err)
	}
}
