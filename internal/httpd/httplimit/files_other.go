//go:build !unix

package httplimit

func freeFiles() int { return mostConnections }
