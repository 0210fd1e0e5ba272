package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// settle is how long the server is left with clients that hold on to it.
const settle = 8 * time.Second

// clients are connections to a server.
type clients struct {
	server *server

	mu       sync.Mutex
	conns    []net.Conn
	statuses map[string]int
}

func (c *clients) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.Close()
	}
}

func (c *clients) note(status string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.statuses == nil {
		c.statuses = make(map[string]int)
	}
	c.statuses[status]++
}

// each does something n times, some at once, and waits.
func each(n, atOnce int, do func(i int)) {
	var all sync.WaitGroup
	for first := range atOnce {
		all.Go(func() {
			for i := first; i < n; i += atOnce {
				do(i)
			}
		})
	}
	all.Wait()
}

// open connects, with a small buffer, and sends text.
func (c *clients) open(text string) net.Conn {
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(context.Background(), "tcp", c.server.address)
	if err != nil {
		c.note("no connection")
		return nil
	}
	c.mu.Lock()
	c.conns = append(c.conns, conn)
	c.mu.Unlock()
	_ = conn.(*net.TCPConn).SetReadBuffer(4096)
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(conn, text); err != nil {
		c.note("closed")
		return nil
	}
	return conn
}

// slowly sends a request, and reads no more than the header of the answer.
func (c *clients) slowly(path string) {
	conn := c.open("GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: identity\r\n\r\n")
	if conn != nil {
		c.answer(conn)
	}
}

func (c *clients) answer(conn net.Conn) {
	response, err := http.ReadResponse(bufio.NewReaderSize(conn, 4096), nil) //nolint:bodyclose // it is read slowly, to the end of the connection
	if err != nil {
		c.note("closed")
		return
	}
	c.note(response.Status[:3]) // its body is left where it is
}

func get(url string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(request)
}

// held sends requests that wait for something new, with more in their header.
func (c *clients) held(n int, more func(i int) string) {
	response, err := get("http://" + c.server.address + "/feeds/f?format=cloudevents")
	if err != nil {
		c.note("no answer")
		return
	}
	_ = response.Body.Close()
	tag := response.Header.Get("ETag")
	if response.Header.Get("Content-Encoding") == "" && response.Uncompressed {
		tag = strings.Replace(tag, `-gzip"`, `"`, 1)
	}
	each(n, 50, func(i int) {
		conn := c.open("GET /feeds/f?format=cloudevents HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: identity\r\nPrefer: wait=60\r\nIf-None-Match: " + tag + "\r\n" + more(i) + "\r\n")
		if conn == nil {
			return
		}
		_ = conn.SetReadDeadline(time.Now().Add(settle / 2))
		one := make([]byte, 12)
		if _, err := io.ReadFull(conn, one); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				c.note("held")
				return
			}
			c.note("closed")
			return
		}
		c.note(string(one[9:]))
	})
}

// appends sends bodies, some at once.
func (c *clients) appends(n, atOnce int, mediaType string, body func(i int) string) {
	each(n, atOnce, func(i int) {
		text := body(i)
		request := fmt.Sprintf("POST /feeds/f HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", mediaType, len(text))
		if conn := c.open(request + text); conn != nil {
			c.answer(conn)
		}
	})
}

// extensions is an event with n extensions, each with a name of its own.
func extensions(id, n, name int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"specversion":"1.0","id":"%d-%d","source":"/s","type":"T"`, id, time.Now().UnixNano())
	for i := range n {
		fmt.Fprintf(&b, `,"%0*d":""`, name, i)
	}
	b.WriteString("}")
	return b.String()
}

func dataEvent(id int, data string) string {
	text, _ := json.Marshal(data)
	return fmt.Sprintf(`{"specversion":"1.0","id":"%d-%d","source":"/s","type":"T","data":%s}`, id, time.Now().UnixNano(), text)
}
