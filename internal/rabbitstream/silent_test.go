package rabbitstream

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// broker answers so many requests; then it is silent, or closes the connection.
func broker(t *testing.T, frames int, closes bool) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must.OK(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				answer(c, frames)
				if !closes {
					_, _ = io.Copy(io.Discard, c)
				}
				_ = c.Close()
			}()
		}
	}()
	return listener.Addr().String()
}

func answer(c net.Conn, frames int) {
	for input := bufio.NewReader(c); frames > 0; frames-- {
		content, err := nextFrame(input)
		if err != nil {
			return
		}
		f := &fields{rest: content}
		key, _, correlation := f.u16(), f.u16(), f.u32()
		if key == keyTune || key == keyHeartbeat {
			frames++
			continue
		}
		_, _ = c.Write(newFrame(nil, key|isResponse).u32(correlation).u16(uint16(ok)).u32(0).done())
		if key == keySaslAuthenticate {
			_, _ = c.Write(newFrame(nil, keyTune).u32(1 << 20).u32(60).done())
		}
	}
}

// TestALoginEndsWithItsContext wherever the broker falls silent, and at once where it breaks off.
func TestALoginEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for frames := range 4 {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if _, err := Dial(ctx, Config{Address: broker(t, frames, false)}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("silent after %d answers: %v", frames, err)
		}
		cancel()
		if _, err := Dial(t.Context(), Config{Address: broker(t, frames, true)}); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
			t.Errorf("broken off after %d answers: %v", frames, err)
		}
	}
	c, err := Dial(t.Context(), Config{Address: broker(t, 4, false)})
	must.OK(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.LastID(ctx, "p", "s"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a request: %v", err)
	}
	c.Close()
}
