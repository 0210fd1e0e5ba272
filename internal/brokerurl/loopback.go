// Package brokerurl has what URLs of message brokers have in common.
package brokerurl

import "net/netip"

// IsLoopback reports whether a host is this machine, by its name or its address, so that a password to
// it does not cross a network.
func IsLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
