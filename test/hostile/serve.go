package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// server serves an input from files.
type server struct {
	url     string
	folder  string
	http    *http.Server
	input   input
	largest atomic.Int64
}

func serve(in input) (*server, error) {
	folder, err := os.MkdirTemp("", "hostile-input-")
	if err != nil {
		return nil, err
	}
	s := &server{folder: folder, input: in}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	base := "http://" + listener.Addr().String()
	s.url = base + "/feed"
	for name, write := range in.documents(base) {
		if err := s.store(name, write); err != nil {
			return nil, err
		}
	}
	s.http = &http.Server{Handler: http.HandlerFunc(s.answer)} //nolint:gosec // for one client, which is ours
	go func() { _ = s.http.Serve(listener) }()
	return s, nil
}

func (s *server) close() {
	_ = s.http.Close()
	_ = os.RemoveAll(s.folder)
}

func (s *server) path(name string) string {
	return filepath.Join(s.folder, strings.ReplaceAll(strings.Trim(name, "/"), "/", "_"))
}

// store writes a document to a file, in the input's content coding.
func (s *server) store(name string, write func(w *bufio.Writer)) (err error) {
	file, err := os.Create(s.path(name))
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := file.Close(); err == nil {
			err = closeErr
		}
	}()
	coder := io.WriteCloser(file)
	switch s.input.coding {
	case "gzip":
		coder = gzip.NewWriter(file)
	case "zstd":
		if coder, err = zstd.NewWriter(file, zstd.WithEncoderConcurrency(1)); err != nil {
			return err
		}
	}
	buffered := bufio.NewWriterSize(coder, 1<<20)
	write(buffered)
	if err := buffered.Flush(); err != nil {
		return err
	}
	if coder == io.WriteCloser(file) {
		return nil
	}
	return coder.Close()
}

func (s *server) answer(w http.ResponseWriter, r *http.Request) {
	file, err := os.Open(s.path(r.URL.Path))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return
	}
	h := w.Header()
	h.Set("Content-Type", s.input.contentType())
	if s.input.coding != "" {
		h.Set("Content-Encoding", s.input.coding)
	}
	h.Set("Content-Length", strconv.FormatInt(info.Size(), 10))
	for range s.input.fields {
		h.Add("X", "")
	}
	for n := s.largest.Load(); info.Size() > n && !s.largest.CompareAndSwap(n, info.Size()); n = s.largest.Load() {
	}
	w.WriteHeader(max(s.input.status, http.StatusOK))
	_, _ = io.Copy(w, file)
}
