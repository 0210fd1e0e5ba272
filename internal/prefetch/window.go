package prefetch

import (
	"sync"
	"time"
)

// window says how many values may be fetched and not used yet at once. It is a congestion window
// that follows the product of bandwidth and delay, as TCP's BBR does: twice what is under way if
// each value takes as long as the fastest one did, at the present rate. So it grows where the
// round trip is the limit, and not where the reader, the server or the bandwidth is.
type window struct {
	least, most int // its bounds

	mu      sync.Mutex
	size    int
	free    chan struct{} // one for each value that may be begun
	fastest time.Duration // of the fetches; 0: none has ended
	used    []time.Time   // when each of the last values was used up, a ring
	count   int           // of the values that were
}

func newWindow(b Bounds) *window {
	w := &window{least: max(1, b.AtOnce)}
	w.most = max(w.least, b.Most)
	w.size, w.free, w.used = w.least, make(chan struct{}, w.most), make([]time.Time, w.most)
	for range w.size {
		w.free <- struct{}{}
	}
	return w
}

// took notes how long a fetch has taken.
func (w *window) took(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fastest == 0 || d < w.fastest {
		w.fastest = d
	}
}

// next makes room for another value, since one was used up, and moves the size by one towards what it
// should be. It grows only if the reader had to wait for the value.
func (w *window) next(waited bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.least == w.most {
		w.free <- struct{}{}
		return
	}
	switch wanted := w.wanted(time.Now()); {
	case wanted > w.size && waited:
		w.size++
		w.free <- struct{}{}
		w.free <- struct{}{}
	case wanted < w.size:
		w.size--
	default:
		w.free <- struct{}{}
	}
}

// wanted returns the size by the rate of the last values, as many as the window holds, and notes that
// another one was used up.
func (w *window) wanted(now time.Time) int {
	before := w.used[(w.count+w.most-w.size)%w.most] // size values ago
	w.used[w.count%w.most] = now
	if w.count++; w.count <= w.size {
		return w.size // not enough of them yet
	}
	underWay := float64(w.size) * float64(w.fastest) / float64(max(1, now.Sub(before)))
	return min(max(w.least, int(2*underWay)), w.most)
}
