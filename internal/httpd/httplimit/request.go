package httplimit

import (
	"io"
	"net/http"
	"time"

	"github.com/felixge/httpsnoop"
)

// paceRequests gives bodies of requests a deadline that each byte renews. Over
// HTTP/2 it does so with answers: a client may take what comes on the
// connection, and nothing of one answer.
func paceRequests(next http.Handler, config Config) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http2 := r.ProtoMajor == 2
		controller := http.NewResponseController(w)
		if r.Body != nil && r.Body != http.NoBody {
			with := *r
			with.Body = &pacedBody{ReadCloser: r.Body, pace: pace{Config: config}, controller: controller, disarm: http2}
			r = &with
		}
		if http2 {
			w = paceStream(w, controller, config)
			// What is left in buffers is sent once the handler has ended.
			defer func() { _ = controller.SetWriteDeadline(time.Now().Add(config.Stall)) }()
		}
		next.ServeHTTP(w, r)
	})
}

type pacedBody struct {
	io.ReadCloser
	pace       pace
	controller *http.ResponseController
	disarm     bool // a deadline of HTTP/2 ends the stream also where nobody reads
}

// Read waits for as long as the client may take.
func (b *pacedBody) Read(p []byte) (int, error) {
	began := time.Now()
	if err := b.controller.SetReadDeadline(began.Add(b.pace.allowed(0))); err != nil {
		return 0, err
	}
	n, err := b.ReadCloser.Read(p)
	b.pace.took(int64(n), began)
	if b.disarm && err == nil {
		err = b.controller.SetReadDeadline(time.Time{})
	}
	return n, err
}

// paceStream writes an answer of HTTP/2 in pieces, each under a deadline of
// its own, and none while nothing is being written.
func paceStream(w http.ResponseWriter, controller *http.ResponseController, config Config) http.ResponseWriter {
	pace := &pace{Config: config}
	paced := func(size int64, write func() (int64, error)) (int64, error) {
		began := time.Now()
		if err := controller.SetWriteDeadline(began.Add(pace.allowed(size))); err != nil {
			return 0, err
		}
		n, err := write()
		pace.took(n, began)
		if err == nil {
			err = controller.SetWriteDeadline(time.Time{})
		}
		return n, err
	}
	return httpsnoop.Wrap(w, httpsnoop.Hooks{
		Write: func(next httpsnoop.WriteFunc) httpsnoop.WriteFunc {
			return func(p []byte) (written int, err error) {
				for {
					part := p[written:min(written+piece, len(p))]
					n, err := paced(int64(len(part)), func() (int64, error) {
						n, err := next(part)
						return int64(n), err
					})
					written += int(n)
					if err != nil || written == len(p) {
						return written, err
					}
				}
			}
		},
		WriteString: func(next httpsnoop.WriteStringFunc) httpsnoop.WriteStringFunc {
			return func(s string) (int, error) {
				n, err := paced(int64(len(s)), func() (int64, error) {
					n, err := next(s)
					return int64(n), err
				})
				return int(n), err
			}
		},
		Flush: func(next httpsnoop.FlushFunc) httpsnoop.FlushFunc {
			return func() { _, _ = paced(0, func() (int64, error) { next(); return 0, nil }) }
		},
	})
}
