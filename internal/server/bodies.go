package server

import (
	"bytes"
	"hash/maphash"
	"net/http"
	"sync"

	"github.com/eventfeed/eventfeed/internal/quota"
)

// uncounted is the size, in bytes, up to which the body of an answer is not counted, because a
// connection takes as much memory.
const uncounted = 16 << 10

// bodies are the bodies of answers that are being sent. Equal bodies are in memory once, however many
// slow clients receive them. Their size is limited, in total and per client. A body that exceeds the
// total alone is sent while no other is.
type bodies struct {
	limit   int64
	clients *quota.Clients // bytes of distinct bodies
	seed    maphash.Seed

	mu    sync.Mutex
	bytes int64
	open  map[uint64]*openBody // by their hash
}

// openBody is a body that is being sent.
type openBody struct {
	content []byte
	senders map[string]int // number of requests by client
}

func newBodies(limit, perClient int64) *bodies {
	return &bodies{limit: limit, clients: quota.NewClients(perClient), seed: maphash.MakeSeed(), open: make(map[uint64]*openBody)}
}

// errFull is the error of an answer that would exceed a limit.
func errFull(what string) error {
	return refuse(http.StatusServiceUnavailable, what+" are still receiving large answers; retry when they are done, or read fewer at a time")
}

// hold returns bytes equal to content, which are to be sent instead, and a function that releases them.
// It returns an error if the client, or all clients together, are receiving too much already.
func (b *bodies) hold(client string, content []byte) (shared []byte, release func(), err error) {
	hash := maphash.Bytes(b.seed, content)
	b.mu.Lock()
	defer b.mu.Unlock()
	body := b.open[hash]
	for body != nil && !bytes.Equal(body.content, content) {
		hash++ // two bodies of one hash
		body = b.open[hash]
	}
	if body == nil {
		body = &openBody{content: content, senders: make(map[string]int)}
	}
	size := int64(len(content))
	isFirst := len(body.senders) == 0
	if isFirst && b.bytes > 0 && b.bytes+size > b.limit {
		return nil, nil, errFull("readers")
	}
	if body.senders[client] == 0 && !b.clients.Take(client, size) {
		return nil, nil, errFull("readers at your address")
	}
	if isFirst {
		b.bytes += size
		b.open[hash] = body
	}
	body.senders[client]++
	return body.content, func() { b.release(hash, client) }, nil
}

func (b *bodies) release(hash uint64, client string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	body := b.open[hash]
	size := int64(len(body.content))
	if body.senders[client]--; body.senders[client] == 0 {
		delete(body.senders, client)
		b.clients.Give(client, size)
	}
	if len(body.senders) == 0 {
		delete(b.open, hash)
		b.bytes -= size
	}
}

// hold is bodies.hold for the answer to a request.
func (s *server) hold(r *http.Request, content []byte) (shared []byte, release func(), err error) {
	if len(content) <= uncounted {
		return content, func() {}, nil
	}
	return s.sending.hold(s.Origin.Client(r), content)
}

// held returns the size of all bodies that are being sent.
func (b *bodies) held() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bytes
}
