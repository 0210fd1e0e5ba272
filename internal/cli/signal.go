package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// sameSignal is how long after the first signal another one counts as the same:
// timeout(1), for one, sends it to a process and then to its group.
const sameSignal = time.Second

// withSignals returns a context that is done after the first SIGINT or SIGTERM,
// which asks for a graceful end. One that comes more than sameSignal later ends the
// process at once.
func withSignals(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-signals:
		case <-ctx.Done():
			return
		}
		cancel()
		time.Sleep(sameSignal)
		signal.Stop(signals)
	}()
	return ctx, cancel
}
