//go:build unix

package bucket_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/eventfeed/eventfeed/internal/site"
	"github.com/eventfeed/eventfeed/internal/site/bucket"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testbucket"
	"github.com/eventfeed/eventfeed/internal/testing/testproxy"
)

// An upload whose connection is cut after any number of bytes leaves the whole object or none.
func TestAnUploadThatIsCutOffLeavesNothingHalf(t *testing.T) {
	t.Parallel()
	server := testbucket.Start(t)
	name := server.Bucket(t)
	proxy := testproxy.NewFaulty(t, server.Address())
	through, err := bucket.Open(at(proxy.Address(), name), bucket.Options{Public: true, Identity: true})
	must.OK(t, err)
	direct, err := bucket.Open(at(server.Address(), name), bucket.Options{Public: true, Identity: true})
	must.OK(t, err)
	body := bytes.Repeat([]byte("<entry/>\n"), 40_000)
	for i, cut := range []int{1, 300, 5_000, 100_000, len(body), -1} {
		o := site.Object{Key: fmt.Sprint("k", i), Kind: site.Final, Body: body}
		if cut < 0 { // the answer
			proxy.Add("limit_data", map[string]int{"bytes": 10})
		} else {
			proxy.AddUpstream("limit_data", map[string]int{"bytes": cut})
		}
		_, failed := through.Put(t.Context(), []site.Object{o})
		proxy.Remove("limit_data")
		stored, err := direct.Get(t.Context(), o.Key)
		switch {
		case errors.Is(err, site.ErrAbsent):
			if failed == nil {
				t.Errorf("cut after %d bytes: it is said to be there, and is not", cut)
			}
		case err != nil || !bytes.Equal(stored.Body, body):
			t.Errorf("cut after %d bytes: %d bytes, %v", cut, len(stored.Body), err)
		}
		refused, err := through.Put(t.Context(), []site.Object{o})
		must.OK(t, err)
		if got, err := direct.Get(t.Context(), o.Key); err != nil || !bytes.Equal(got.Body, body) {
			t.Errorf("put again after a cut at %d bytes: refused %v, %v", cut, refused, err)
		}
	}
}
