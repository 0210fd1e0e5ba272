// Package cache is a least-recently-used cache with a limit in bytes.
package cache

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/sync/singleflight"
)

// loadTimeout bounds a load: who asked first may be gone, and others wait for
// the same.
const loadTimeout = time.Minute

// Cache is safe for concurrent use. It forgets what was used longest ago: its
// readers walk through a history one behind the other.
type Cache[K comparable, V any] struct {
	limit int64
	size  func(V) int64
	loads singleflight.Group

	mu           sync.Mutex
	bytes        int64
	values       *simplelru.LRU[K, V]
	hits, misses int64
}

// Stats are what a cache has done since it was made, and holds now.
type Stats struct {
	Hits, Misses, Bytes int64
}

// New returns a cache for values of limit bytes in all. What is larger than
// that alone is not kept.
func New[K comparable, V any](limit int64, size func(V) int64) *Cache[K, V] {
	c := &Cache[K, V]{limit: limit, size: size}
	const unlimited = math.MaxInt // in number: bytes are what counts
	values, err := simplelru.NewLRU(unlimited, func(_ K, value V) { c.bytes -= size(value) })
	if err != nil {
		panic(err) // the number is positive
	}
	c.values = values
	return c
}

// Get returns the value of key. If it is not there load makes it, once for all
// who ask for it meanwhile; an error is not kept.
func (c *Cache[K, V]) Get(ctx context.Context, key K, load func(context.Context) (V, error)) (V, error) {
	if value, found := c.find(key); found {
		return value, nil
	}
	// %#v quotes strings, so that no two keys are written alike.
	result := c.loads.DoChan(fmt.Sprintf("%#v", key), func() (loaded any, err error) {
		defer func() { // a panic here would end the process, not just the request
			if p := recover(); p != nil {
				err = fmt.Errorf("load %v: panic: %v", key, p)
			}
		}()
		if value, found := c.peek(key); found {
			return value, nil // another load has ended since
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
		defer cancel()
		value, err := load(ctx)
		if err == nil {
			c.put(key, value)
		}
		return value, err
	})
	select {
	case <-ctx.Done():
		var none V
		return none, ctx.Err()
	case r := <-result:
		value, _ := r.Val.(V)
		return value, r.Err
	}
}

// Has reports whether the value of key is there.
func (c *Cache[K, V]) Has(key K) bool {
	_, found := c.peek(key)
	return found
}

// Find returns the value of key, and whether it is there.
func (c *Cache[K, V]) Find(key K) (value V, found bool) { return c.find(key) }

// Stats returns what the cache has done.
func (c *Cache[K, V]) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{Hits: c.hits, Misses: c.misses, Bytes: c.bytes}
}

func (c *Cache[K, V]) find(key K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	value, found := c.values.Get(key)
	if found {
		c.hits++
	} else {
		c.misses++
	}
	return value, found
}

func (c *Cache[K, V]) peek(key K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.values.Peek(key)
}

func (c *Cache[K, V]) put(key K, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.values.Remove(key)
	c.values.Add(key, value)
	c.bytes += c.size(value)
	for c.bytes > c.limit {
		c.values.RemoveOldest()
	}
}
