// Package quota limits how much each client uses of a resource at a time.
package quota

import "sync"

// Clients counts how much each client has, in requests, connections or bytes.
// It is safe for concurrent use. The zero Clients, and nil, bound nothing.
type Clients struct {
	limit int64

	mu  sync.Mutex
	has map[string]int64 // clients that have something
}

// NewClients returns a count in which no client has more than limit. 0 means no
// limit.
func NewClients(limit int64) *Clients { return &Clients{limit: limit} }

// Take notes that a client has n more, and reports false, and notes nothing, if
// that is over the limit. A client that has nothing may take as much as it
// needs: what is larger than the limit alone could be had by nobody otherwise.
func (c *Clients) Take(client string, n int64) bool {
	if c == nil || c.limit <= 0 {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	has := c.has[client]
	if has > 0 && has+n > c.limit {
		return false
	}
	if c.has == nil {
		c.has = make(map[string]int64)
	}
	c.has[client] = has + n
	return true
}

// Give notes that a client has given back n of what it took.
func (c *Clients) Give(client string, n int64) {
	if c == nil || c.limit <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.has[client] -= n; c.has[client] <= 0 {
		delete(c.has, client)
	}
}

// Has returns how much a client has.
func (c *Clients) Has(client string) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.has[client]
}
