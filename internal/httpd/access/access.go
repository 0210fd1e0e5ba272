// Package access controls who may use a server: bearer tokens from a file, and TLS with
// certificates from files. It reloads the files when they change.
package access

import (
	"net"
	"strings"
)

// Local reports whether only this machine can reach an address that a server
// listens on: a loopback one, or a Unix socket.
func Local(address net.Addr) bool {
	switch address := address.(type) {
	case *net.TCPAddr:
		return address.IP.IsLoopback()
	case *net.UnixAddr:
		return true
	default:
		return false
	}
}

// Grant is what a caller may do. The zero Grant is nothing at all.
type Grant struct {
	Name           string // of the token, for the log; empty for everyone
	read, appendTo []pattern
}

// Everyone returns the grant of a server that has no tokens: all feeds.
func Everyone() Grant {
	return Grant{read: []pattern{"*"}, appendTo: []pattern{"*"}}
}

// MayRead reports whether the caller may read a feed, and know of it.
func (g Grant) MayRead(feed string) bool { return covers(g.read, feed) }

// MayAppend reports whether the caller may append to a feed. Who may append
// may not read for that.
func (g Grant) MayAppend(feed string) bool { return covers(g.appendTo, feed) }

// pattern names feeds: one by its name, those that begin alike as in "shop-*",
// or all as "*".
type pattern string

func (p pattern) covers(feed string) bool {
	if prefix, ok := strings.CutSuffix(string(p), "*"); ok {
		return strings.HasPrefix(feed, prefix)
	}
	return string(p) == feed
}

func covers(patterns []pattern, feed string) bool {
	for _, p := range patterns {
		if p.covers(feed) {
			return true
		}
	}
	return false
}
