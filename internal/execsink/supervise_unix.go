//go:build unix

package execsink

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

// A process with the supervisor's name becomes a supervisor here and never reaches its main
// function, so that programs that import package seed need no code for this.
func init() {
	if len(os.Args) == 2 && os.Args[0] == supervisorName {
		runtime.LockOSThread() // see programAttributes
		supervise(os.Args[1])
		os.Exit(0)
	}
}

// supervise runs a program, reports how it has ended, and kills everything that it has started.
func supervise(command string) {
	for fd := ordersFD; fd <= lockFD; fd++ {
		syscall.CloseOnExec(fd) // the program must not inherit them
	}
	// Signals for the group are for the program. Ignoring them would be inherited, so they are received.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGPIPE)
	adoptOrphans()
	program, err := syscall.ForkExec("/bin/sh", []string{"/bin/sh", "-c", command}, &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{0, 1, 2}, Sys: programAttributes(),
	})
	if err != nil {
		fmt.Fprintf(os.Stderr, "run /bin/sh: %v\n", err)
		report(127 << 8)
		return
	}
	closeAll(os.Stdin, os.Stdout, os.Stderr) // so that only the program holds them open
	ended, all := make(chan syscall.WaitStatus, 1), make(chan struct{})
	go reap(program, ended, all)
	orders := make(chan byte)
	go takeOrders(orders)
	for {
		select {
		case status := <-ended:
			report(status)
			killAll(all)
			return
		case order := <-orders:
			if order == orderTerminate {
				_ = syscall.Kill(0, syscall.SIGTERM)
				continue
			}
			go killAll(all)
			report(<-ended)
			<-all
			return
		}
	}
}

// takeOrders passes orders on. The end of the orders counts as an order to kill.
func takeOrders(orders chan<- byte) {
	from := os.NewFile(ordersFD, "orders")
	order := make([]byte, 1)
	for {
		if n, err := from.Read(order); n == 0 && err != nil {
			order[0] = orderKill
		}
		orders <- order[0]
		if order[0] == orderKill {
			return
		}
	}
}

func report(status syscall.WaitStatus) {
	_, _ = os.NewFile(statusFD, "status").Write(binary.NativeEndian.AppendUint32(nil, uint32(status)))
}

// reap sends how the program has ended, and waits for all other children, which are adopted
// orphans. It closes all when none is left.
func reap(program int, ended chan<- syscall.WaitStatus, all chan<- struct{}) {
	defer close(all)
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return
		case pid == program:
			ended <- status
		}
	}
}

// killAll kills everything that the program has started, until nothing is left.
func killAll(all <-chan struct{}) {
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		killOthers()
		select {
		case <-all:
			return
		case <-time.After(wait): // processes may have been started since
		}
	}
}
