package testkafka

import (
	"errors"
	"io"
	"net"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// Old returns the address of what answers as a broker without transactions did. No broker that old runs
// where tests run.
func Old(t testing.TB) (address string) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must.OK(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go serveOld(listener)
	return listener.Addr().String()
}

// serveOld answers each request for versions as Kafka 0.10.2 did: Metadata up to version 2, Fetch up
// to 3, Produce up to 2.
func serveOld(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = connection.Close() }()
			for answerOld(connection) == nil {
			}
		}()
	}
}

func answerOld(connection net.Conn) error {
	var size [4]byte
	if _, err := io.ReadFull(connection, size[:]); err != nil {
		return err
	}
	request := make([]byte, int(size[2])<<8|int(size[3]))
	if _, err := io.ReadFull(connection, request); err != nil || request[1] != 18 {
		return errors.New("no request for versions")
	}
	answer := kmsg.NewPtrApiVersionsResponse()
	for _, key := range []struct{ key, max int16 }{{0, 2}, {1, 3}, {2, 1}, {3, 2}, {18, 0}} {
		k := kmsg.NewApiVersionsResponseApiKey()
		k.ApiKey, k.MaxVersion = key.key, key.max
		answer.ApiKeys = append(answer.ApiKeys, k)
	}
	if request[3] > 0 {
		answer.ErrorCode = 35 // UNSUPPORTED_VERSION, in version 0
	}
	body := answer.AppendTo(nil)
	frame := append([]byte{0, 0, 0, byte(4 + len(body))}, request[4:8]...) // the correlation id
	_, err := connection.Write(append(frame, body...))
	return err
}
