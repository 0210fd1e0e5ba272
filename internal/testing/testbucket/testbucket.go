//go:build unix

// Package testbucket runs a real S3 server for tests, versitygw over a folder: one that all tests of a
// package share. Only tests import it.
package testbucket

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/need"
	"github.com/eventfeed/eventfeed/internal/testing/testprocess"
)

// Credentials of the server's one user.
const (
	AccessKey = "eventfeed"
	SecretKey = "eventfeed-secret"
)

// Server is an S3 server with its buckets.
type Server struct {
	folder string
	remove func() // removes the folder; the folder is there as long as this is reachable
	port   int
	starts int
	group  *testprocess.Group // nil while the server is down
}

var shared struct {
	sync.Mutex
	server *Server
}

// Start returns the server that all tests of this process share. The first call starts it.
//
// Where the server is missing, the test is skipped, or fails where all tests must run.
func Start(t testing.TB) *Server {
	t.Helper()
	need.Tool(t, "versitygw") // ends the test before the lock is taken
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		shared.server = begin(t)
	}
	return shared.server
}

// Own starts a server that belongs to one test, and ends it with the test.
func Own(t testing.TB) *Server {
	t.Helper()
	s := begin(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("versitygw:\n%s", testprocess.Tail(s.log()))
		}
		s.Kill()
		s.remove()
	})
	return s
}

func begin(t testing.TB) *Server {
	t.Helper()
	s := &Server{}
	var err error
	s.folder, s.remove, err = testprocess.Folder("eventfeed-s3-")
	must.OK(t, err)
	for _, name := range []string{"buckets", "attributes"} {
		must.OK(t, os.Mkdir(filepath.Join(s.folder, name), 0o700))
	}
	for range 20 {
		s.port = testprocess.FreePorts(t, 1)
		if err = s.start(t); err == nil {
			return s
		}
		if said, readErr := os.ReadFile(s.log()); readErr != nil || !strings.Contains(string(said), "address already in use") {
			break
		}
	}
	t.Fatalf("start versitygw: %v\n%s", err, testprocess.Tail(s.log()))
	return nil
}

func (s *Server) start(t testing.TB) (err error) {
	s.starts++
	s.group, err = testprocess.Start(testprocess.Server{
		Folder: s.folder, Log: s.log(), Ready: "listening on", Address: s.Address(), Env: append(os.Environ(), "ROOT_ACCESS_KEY="+AccessKey, "ROOT_SECRET_KEY="+SecretKey),
		Command: []string{need.Tool(t, "versitygw"), "--port", s.Address(), "posix", "--sidecar", filepath.Join(s.folder, "attributes"), filepath.Join(s.folder, "buckets")},
	})
	return err
}

// Kill kills the server. Its buckets stay.
func (s *Server) Kill() {
	if s.group != nil {
		s.group.Kill()
		s.group = nil
	}
}

// Restart starts the server again, at the same address.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	must.OK(t, s.start(t))
}

// Address returns host and port.
func (s *Server) Address() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

// Bucket makes a bucket, and returns its name.
func (s *Server) Bucket(t testing.TB) (name string) {
	t.Helper()
	name = "test-" + strings.ToLower(rand.Text()[:12])
	must.OK(t, os.Mkdir(filepath.Join(s.folder, "buckets", name), 0o700))
	return name
}

func (s *Server) log() string { return filepath.Join(s.folder, fmt.Sprintf("start-%d.log", s.starts)) }

// Publish lets everyone read a bucket.
func (s *Server) Publish(t testing.TB, name string) {
	t.Helper()
	client, err := minio.New(s.Address(), &minio.Options{Creds: credentials.NewStaticV4(AccessKey, SecretKey, "")})
	must.OK(t, err)
	must.OK(t, client.SetBucketPolicy(t.Context(), name, fmt.Sprintf(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":["s3:GetObject"],"Resource":["arn:aws:s3:::%s/*"]}]}`, name)))
}
