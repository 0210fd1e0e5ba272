package main

import (
	"fmt"
	"slices"
	"time"
)

// report prints how long it took from the return of Commit until the event was
// in the reader's hands, over all events; of that until it had its position; the
// whole from the call of Commit; and how long the writers' transactions took.
func (m *measurement) report() {
	var total, placed, strict, appended []time.Duration
	last := m.committed[0].returned
	for n, s := range m.seen {
		c := m.committed[n]
		total = append(total, s.inHand-c.returned)
		placed = append(placed, s.placed-c.returned)
		strict = append(strict, s.inHand-c.called)
		appended = append(appended, c.returned-c.begun)
		last = max(last, c.returned)
	}
	fmt.Printf("%d waiting by %s, %d writers, %.0f events/s\n", m.readers, m.by, m.writers, float64(len(m.committed)-1)/(last-m.committed[0].returned).Seconds())
	for _, line := range []struct {
		text      string
		latencies []time.Duration
	}{
		{"from commit to the event in hand", total},
		{"of that until it has its position", placed},
		{"from the call of Commit to the event in hand", strict},
		{"append, from Begin to the return of Commit", appended},
	} {
		slices.Sort(line.latencies)
		fmt.Printf("  %-45s", line.text)
		for _, share := range []float64{0.5, 0.9, 0.99, 1} {
			fmt.Printf("  %3.0f %% %6.1f ms", share*100, part(line.latencies, share))
		}
		fmt.Println()
	}
}

// part is the latency, in milliseconds, that this part of all does not exceed.
func part(sorted []time.Duration, share float64) float64 {
	d := sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
	return float64(d) / float64(time.Millisecond)
}
