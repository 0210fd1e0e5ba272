package server

import (
	"bytes"
	"io"
	"net/http"

	"golang.org/x/sync/semaphore"

	"github.com/eventfeed/eventfeed/internal/quota"
)

// The bodies of requests are in memory while they arrive, which can take long. Small ones have their own
// room, so that slow large ones do not delay them. No client gets more than half of either room.
const (
	smallBody = 64 << 10
	smallRoom = 8 << 20
	largeRoom = 2 * maxAppend
)

// decodingRoom is the maximum memory, in bytes, for decoding bodies and appending their events.
const decodingRoom = 64 << 20

// incoming is the room for the bodies of arriving requests.
type incoming struct {
	free    *semaphore.Weighted
	clients *quota.Clients
}

func newIncoming(bytes int64) *incoming {
	return &incoming{semaphore.NewWeighted(bytes), quota.NewClients(bytes / 2)}
}

// enter reserves room for a body of a client, and returns a function that releases it. It does not
// wait; ok is false if there is no room.
func (i *incoming) enter(client string, size int64) (leave func(), ok bool) {
	if !i.clients.Take(client, size) {
		return nil, false
	}
	if !i.free.TryAcquire(size) {
		i.clients.Give(client, size)
		return nil, false
	}
	return func() {
		i.free.Release(size)
		i.clients.Give(client, size)
	}, true
}

// cleanup is a list of functions to call at the end.
type cleanup []func()

func (c *cleanup) add(do func()) { *c = append(*c, do) }

func (c *cleanup) run() {
	for _, do := range *c {
		do()
	}
}

// errBusy is the error of a body for which there is no room.
var errBusy = refuse(http.StatusServiceUnavailable, "too many large requests are coming in at this moment; retry in a moment")

// read returns the body of a request, when it has arrived completely and there is room to decode
// it. The room is released when done runs.
func (s *server) read(w http.ResponseWriter, r *http.Request, done *cleanup) ([]byte, error) {
	size, room := r.ContentLength, s.largeBodies
	if size < 0 || size > maxAppend {
		size = maxAppend // a longer body is refused while it is read
	}
	if size <= smallBody {
		room = s.smallBodies
	}
	leave, ok := room.enter(s.Origin.Client(r), size)
	if !ok {
		return nil, errBusy
	}
	done.add(leave)
	var body bytes.Buffer
	if r.ContentLength > 0 {
		body.Grow(int(size) + bytes.MinRead)
	}
	if _, err := io.Copy(&body, http.MaxBytesReader(w, r.Body, maxAppend)); err != nil {
		return nil, err
	}
	leave, err := s.decoding.enter(r.Context(), memoryToDecode(body.Bytes()))
	if err != nil {
		return nil, err
	}
	done.add(leave)
	return body.Bytes(), nil
}

// memoryToDecode estimates the memory for decoding a body and appending its events: copies of the
// body, and an amount for each JSON member.
func memoryToDecode(body []byte) int64 {
	const perMember = 150
	return copies*int64(len(body)) + perMember*int64(bytes.Count(body, []byte(":")))
}
