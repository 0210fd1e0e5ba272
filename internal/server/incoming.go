package server

import (
	"bytes"
	"io"
	"net/http"

	"golang.org/x/sync/semaphore"

	"github.com/eventfeed/eventfeed/internal/quota"
)

// Bodies of requests are in memory while they come, which takes as long as their
// clients need. Small ones have a room of their own, so that large ones that come
// slowly do not hold them up. No client gets more than half of either.
const (
	smallBody = 64 << 10
	smallRoom = 8 << 20
	largeRoom = 2 * maxAppend
)

// decodingRoom bounds, in bytes, what bodies take while they are being read and
// appended.
const decodingRoom = 64 << 20

// incoming is the room for the bodies of requests.
type incoming struct {
	free    *semaphore.Weighted
	clients *quota.Clients
}

func newIncoming(bytes int64) *incoming {
	return &incoming{semaphore.NewWeighted(bytes), quota.NewClients(bytes / 2)}
}

// enter makes room for a body of a client, and returns what gives it back. It does
// not wait.
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

// cleanup is what is to be done in the end.
type cleanup []func()

func (c *cleanup) add(do func()) { *c = append(*c, do) }

func (c *cleanup) run() {
	for _, do := range *c {
		do()
	}
}

// errBusy is the answer to a body for which there is no room.
var errBusy = refuse(http.StatusServiceUnavailable, "too many large requests are coming in at this moment; retry in a moment")

// read returns the body of a request, once all of it has come and there is room to
// decode it. The room is given back when the request is done.
func (s *server) read(w http.ResponseWriter, r *http.Request, done *cleanup) ([]byte, error) {
	size, room := r.ContentLength, s.largeBodies
	if size < 0 || size > maxAppend {
		size = maxAppend // or refused before it has come
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

// memoryToDecode is about how many bytes it takes to decode a body and to append its
// events: copies of it, and what each of its members takes.
func memoryToDecode(body []byte) int64 {
	const perMember = 150
	return copies*int64(len(body)) + perMember*int64(bytes.Count(body, []byte(":")))
}
