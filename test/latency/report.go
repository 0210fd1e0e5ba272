package main

import (
	"fmt"
	"slices"
	"time"
)

// report prints the latencies of all events at all readers: from the moment
// when the writer's Commit has returned, and the median and the 99th percentile
// from when it was called, too.
func (m *measurement) report() {
	var since, sinceCall []time.Duration
	var last time.Duration
	for _, seen := range m.seen {
		for n, at := range seen {
			since = append(since, at-m.committed[n].returned)
			sinceCall = append(sinceCall, at-m.committed[n].called)
			last = max(last, m.committed[n].returned)
		}
	}
	slices.Sort(since)
	slices.Sort(sinceCall)
	first := m.committed[0].returned
	fmt.Printf("%4d by %-7s %7.0f events/s  median %s, 90%% %s, 99%% %s, at most %s; from the call of Commit %s, 99%% %s\n",
		m.readers, m.by+",", float64(len(m.committed)-1)/(last-first).Seconds(),
		part(since, 0.5), part(since, 0.9), part(since, 0.99), part(since, 1), part(sinceCall, 0.5), part(sinceCall, 0.99))
}

// part is the latency that this part of all does not exceed.
func part(sorted []time.Duration, share float64) string {
	d := sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
	return fmt.Sprintf("%6.1f ms", float64(d)/float64(time.Millisecond))
}
