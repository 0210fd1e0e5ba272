package publish

import (
	"maps"
	"sync"
)

// failures are the feeds that cannot be moved on at present, with the errors that were logged.
type failures struct {
	mu    sync.Mutex
	feeds map[string]string
}

// fails notes the error that keeps a feed from being moved on; empty if there is none.
func (m *loopMetrics) fails(name, text string) {
	m.errs.mu.Lock()
	defer m.errs.mu.Unlock()
	if text == "" {
		delete(m.errs.feeds, name)
	} else {
		if m.errs.feeds == nil {
			m.errs.feeds = make(map[string]string)
		}
		m.errs.feeds[name] = text
	}
	m.failing.Set(float64(len(m.errs.feeds)))
}

// Failing returns, by the names of feeds, why their events get no positions at present, and why their
// pages are not sealed.
func (m *Metrics) Failing() (sequencer, sealer map[string]string) {
	return m.sequencer.errs.all(), m.sealer.errs.all()
}

func (f *failures) all() map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.feeds)
}
