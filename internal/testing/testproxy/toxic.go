//go:build unix

package testproxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/eventfeed/eventfeed/internal/testing/testprocess"
)

// Faulty is a proxy of TCP that does to connections what it is told.
type Faulty struct {
	t     testing.TB
	proxy *toxiproxy.Proxy
}

// NewFaulty puts a proxy without a fault in front of an address, until the test ends.
func NewFaulty(t testing.TB, upstream string) *Faulty {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	address := fmt.Sprintf("127.0.0.1:%d", testprocess.FreePorts(t, 1)) // which nobody takes while it is down
	f := &Faulty{t, toxiproxy.NewProxy(server, t.Name(), address, upstream)}
	f.Up()
	t.Cleanup(f.Down)
	return f
}

// Address is where it listens; the same after Down and Up.
func (f *Faulty) Address() string { return f.proxy.Listen }

// Up lets it listen.
func (f *Faulty) Up() {
	f.t.Helper()
	if err := f.proxy.Start(); err != nil {
		f.t.Fatal(err)
	}
}

// Down closes its connections and listens no more.
func (f *Faulty) Down() { f.proxy.Stop() }

// Add adds a fault to what the server sends, by the name and with the attributes that toxiproxy has
// for it. It is called by its own name.
func (f *Faulty) Add(fault string, attributes map[string]int) {
	f.t.Helper()
	f.add("downstream", fault, attributes)
}

// AddUpstream is [Faulty.Add] for what clients send.
func (f *Faulty) AddUpstream(fault string, attributes map[string]int) {
	f.t.Helper()
	f.add("upstream", fault, attributes)
}

func (f *Faulty) add(stream, fault string, attributes map[string]int) {
	f.t.Helper()
	body, err := json.Marshal(map[string]any{"name": fault, "type": fault, "stream": stream, "attributes": attributes})
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := f.proxy.Toxics.AddToxicJson(bytes.NewReader(body)); err != nil {
		f.t.Fatal(err)
	}
}

// Remove takes a fault away.
func (f *Faulty) Remove(fault string) {
	f.t.Helper()
	if err := f.proxy.Toxics.RemoveToxic(f.t.Context(), fault); err != nil {
		f.t.Fatal(err)
	}
}
