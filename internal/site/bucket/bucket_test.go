//go:build unix

package bucket_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/eventfeed/eventfeed/internal/site"
	"github.com/eventfeed/eventfeed/internal/site/bucket"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/sitetest"
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

func at(address, name string) string {
	return fmt.Sprintf("s3://%s/shop?endpoint=http://%s&region=us-east-1", name, address)
}

// open opens a bucket as an export does.
func open(t *testing.T, place string, o bucket.Options) (*bucket.Bucket, error) {
	t.Helper()
	b, err := bucket.Open(place, o)
	if err != nil {
		return nil, err
	}
	err = b.Check(t.Context())
	return b, err
}

func TestBucket(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]bucket.Options{"gzip": {Public: true}, "identity": {Identity: true, Public: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := testbucket.Start(t)
			sitetest.Run(t, func(t *testing.T) func() site.Store {
				place := at(server.Address(), server.Bucket(t))
				return func() site.Store {
					b, err := open(t, place, options)
					must.OK(t, err)
					return b
				}
			})
		})
	}
}

func TestObjectsHaveTheHeadersThatReadersAndCachesNeed(t *testing.T) {
	t.Parallel()
	server := testbucket.Start(t)
	place := at(server.Address(), server.Bucket(t))
	for _, test := range []struct {
		options bucket.Options
		kind    site.Kind
		cache   string
		kept    string // media type
	}{
		{bucket.Options{Public: true}, site.Final, "public, max-age=31536000, immutable", "application/atom+xml"},
		{bucket.Options{Public: true}, site.Newest, "public, max-age=5", "application/atom+xml"},
		{bucket.Options{Public: true}, site.Subscription, "public, max-age=5", "application/atom+xml"},
		{bucket.Options{}, site.Final, "private, max-age=31536000, immutable", "application/atom+xml"},
		{bucket.Options{Identity: true}, site.Service, "private, max-age=5", "application/atomsvc+xml"},
		{bucket.Options{}, site.Kept, "no-store", "application/atom+xml"},
	} {
		b, err := open(t, place, test.options)
		must.OK(t, err)
		key := fmt.Sprintf("feeds/%d", len(test.cache))
		must.OK(t, b.Delete(t.Context(), key))
		_, err = b.Put(t.Context(), []site.Object{{Key: key, Kind: test.kind, Body: []byte("<feed/>")}})
		must.OK(t, err)
		header := b.Header(t, key)
		coding := "gzip"
		if test.options.Identity {
			coding = ""
		}
		for name, want := range map[string]string{"Content-Type": test.kept, "Cache-Control": test.cache, "Content-Encoding": coding} {
			if got := header.Get(name); got != want {
				t.Errorf("%+v, kind %d: %s is %q, want %q", test.options, test.kind, name, got, want)
			}
		}
	}
}

// wantOperator wants an error for an operator that has these texts.
func wantOperator(t *testing.T, err error, usage bool, texts ...string) {
	t.Helper()
	operator, is := errors.AsType[*site.OperatorError](err)
	if !is || operator.Usage != usage {
		t.Fatalf("%v", err)
	}
	for _, text := range texts {
		if said := err.Error() + "\n" + operator.Next; !strings.Contains(said, text) {
			t.Errorf("%q is not in %q", text, said)
		}
	}
}

func TestWhatCannotWorkIsRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	server := testbucket.Start(t)
	open := func(url string, o bucket.Options) error { _, err := open(t, url, o); return err }
	wantOperator(t, open(at(server.Address(), "no-such-bucket"), bucket.Options{}), true, "no-such-bucket", "create the bucket")
	for url, text := range map[string]string{
		"s3://":                        "names no bucket",
		"s3://b/":                      `bucket "b": `,
		"s3://user:secret@bucket/":     "AWS_SECRET_ACCESS_KEY",
		"s3://bucket/?endpoint=host":   "endpoint: use https://HOST:PORT",
		"s3://bucket/?colour=blue":     `parameter "colour"`,
		"s3://bucket/?endpoint=ftp://": "endpoint: use https://HOST:PORT",
	} {
		err := open(url, bucket.Options{})
		wantOperator(t, err, true, text)
		if strings.Contains(err.Error(), "secret@") {
			t.Errorf("%v shows a password", err)
		}
	}
}

// forgetful runs a store that does not know conditions, and returns its address.
func forgetful(t *testing.T, name string) string {
	t.Helper()
	buckets := s3mem.New()
	must.OK(t, buckets.CreateBucket(name))
	store := gofakes3.New(buckets).Server()
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("If-None-Match")
		r.Header.Del("If-Match")
		store.ServeHTTP(w, r)
	}))
}

func TestAStoreThatIgnoresConditionsIsForASingleWriter(t *testing.T) {
	t.Parallel()
	place := at(forgetful(t, "forgetful"), "forgetful")
	_, err := open(t, place, bucket.Options{Public: true})
	wantOperator(t, err, true, "ignores the condition of a write (If-None-Match)", "--single-writer")
	b, err := open(t, place, bucket.Options{Public: true, SingleWriter: true})
	must.OK(t, err)
	put := func(body, replaces string) (refused bool) {
		all, err := b.Put(t.Context(), []site.Object{{Key: "k", Body: []byte(body), Replaces: replaces}})
		must.OK(t, err)
		return len(all) > 0
	}
	if put("one", "") || !put("two", "") {
		t.Error("an object is written again")
	}
	stored, err := b.Get(t.Context(), "k")
	must.OK(t, err)
	if put("two", stored.Tag) || !put("three", stored.Tag) {
		t.Error("an object is replaced that is not the expected one")
	}
}

func TestAPrivateSiteRefusesABucketThatEveryoneMayRead(t *testing.T) {
	t.Parallel()
	server := testbucket.Start(t)
	name := server.Bucket(t)
	_, err := open(t, at(server.Address(), name), bucket.Options{})
	must.OK(t, err)
	server.Publish(t, name)
	_, err = open(t, at(server.Address(), name), bucket.Options{})
	wantOperator(t, err, true, "everyone may read the bucket", "--public")
	_, err = open(t, at(server.Address(), name), bucket.Options{Public: true})
	must.OK(t, err)
}

// A store may answer a client without credentials by something else, such as a redirect to another region.
func TestAPrivateSiteRefusesABucketOfWhichItCannotTellWhoReadsIt(t *testing.T) {
	t.Parallel()
	buckets := s3mem.New()
	must.OK(t, buckets.CreateBucket("elsewhere"))
	store := gofakes3.New(buckets).Server()
	address := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			w.WriteHeader(http.StatusMovedPermanently)
			return
		}
		store.ServeHTTP(w, r)
	}))
	_, err := open(t, at(address, "elsewhere"), bucket.Options{})
	wantOperator(t, err, true, "neither given nor refused", "301", "endpoint=https://s3.REGION.amazonaws.com")
}

func serve(t *testing.T, handler http.Handler) (address string) {
	t.Helper()
	server := newServer(t, handler)
	return strings.TrimPrefix(server.URL, "http://")
}
