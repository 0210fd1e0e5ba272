//go:build unix

package seedrabbitmq_test

import (
	"encoding/binary"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testrabbit"
)

// TestARefusedMessageStaysRefusedIfALaterConfirmationIsForSeveral has the broker's confirmations of
// three events rewritten on the first connection: the second one is refused alone, and then all up to
// the third one are confirmed at once, as RabbitMQ may do it. So the second one has to come again.
func TestARefusedMessageStaysRefusedIfALaterConfirmationIsForSeveral(t *testing.T) {
	t.Parallel()
	b := newBench(t, testrabbit.Start(t), 3)
	b.exchange.URL = "amqp://" + refuseSecond(t, b.node.Address()) + "/" + b.vhost + "?exchange=orders"
	b.exchange.Patience = time.Minute
	must.OK(t, b.run())
	times := 0
	for _, p := range positions(t, b.read()) {
		if p == 2 {
			times++
		}
	}
	if times != 2 {
		t.Errorf("the message that was refused was published %d times", times)
	}
}

// refuseSecond returns the address of a proxy in front of a broker.
func refuseSecond(t *testing.T, broker string) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must.OK(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for first := true; ; first = false {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", broker)
			if err != nil {
				_ = client.Close()
				continue
			}
			go func() { _, _ = io.Copy(server, client); _ = server.Close() }()
			go func() {
				if first {
					rewriteConfirms(client, server)
				}
				_, _ = io.Copy(client, server)
				_ = client.Close()
			}()
		}
	}()
	return listener.Addr().String()
}

// The methods basic.ack and basic.nack, with the numbers of their class (AMQP 0-9-1, section 1.8).
const (
	basicAck  = 60<<16 | 80
	basicNack = 60<<16 | 120
)

// rewriteConfirms passes frames on. The first message is the marker; the events are the three after it.
func rewriteConfirms(client io.Writer, server io.Reader) {
	for {
		header := make([]byte, 7) // type, channel, size
		if _, err := io.ReadFull(server, header); err != nil {
			return
		}
		payload := make([]byte, binary.BigEndian.Uint32(header[3:])+1) // and the end of the frame
		if _, err := io.ReadFull(server, payload); err != nil {
			return
		}
		const method = 1
		if header[0] == method && binary.BigEndian.Uint32(payload) == basicAck && binary.BigEndian.Uint64(payload[4:]) > 1 {
			if binary.BigEndian.Uint64(payload[4:]) == 4 {
				confirm := func(method uint32, tag uint64, several byte) {
					frame := append([]byte{1, header[1], header[2], 0, 0, 0, 13}, make([]byte, 14)...)
					binary.BigEndian.PutUint32(frame[7:], method)
					binary.BigEndian.PutUint64(frame[11:], tag)
					frame[19], frame[20] = several, 0xCE
					_, _ = client.Write(frame)
				}
				confirm(basicNack, 3, 0)
				confirm(basicAck, 4, 1)
			}
			continue
		}
		if _, err := client.Write(slices.Concat(header, payload)); err != nil {
			return
		}
	}
}
