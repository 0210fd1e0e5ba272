//go:build unix

package site_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/eventfeed/eventfeed/internal/site"
	"github.com/eventfeed/eventfeed/internal/site/bucket"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testbucket"
)

func TestMain(m *testing.M) {
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": testbucket.AccessKey, "AWS_SECRET_ACCESS_KEY": testbucket.SecretKey} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

func newBucket(t *testing.T) site.Store {
	t.Helper()
	server := testbucket.Start(t)
	b, err := bucket.Open(fmt.Sprintf("s3://%s?endpoint=http://%s&region=us-east-1", server.Bucket(t), server.Address()), bucket.Options{})
	must.OK(t, err)
	return b
}
