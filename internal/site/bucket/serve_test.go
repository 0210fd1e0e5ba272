package bucket_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func newServer(t *testing.T, handler http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}
