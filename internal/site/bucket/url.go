package bucket

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7/pkg/s3utils"
)

// address is where a site is.
type address struct {
	bucket, prefix string // prefix ends with a slash, or is empty
	endpoint       string // host and port
	secure         bool
	region         string
}

// defaultEndpoint is that of AWS.
const defaultEndpoint = "s3.amazonaws.com"

// parseURL parses s3://BUCKET/PREFIX?endpoint=URL&region=REGION. Its errors do not hold the URL.
func parseURL(raw string) (a address, err error) {
	u, err := url.Parse(raw)
	if err != nil {
		return a, errors.New("not a URL such as s3://BUCKET/PREFIX?endpoint=https://HOST")
	}
	if u.User != nil {
		return a, errors.New("has a user or a password, which other users of the machine could read; use AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	if a.bucket = u.Host; u.Scheme != "s3" || a.bucket == "" {
		return a, errors.New("names no bucket: use s3://BUCKET/PREFIX")
	}
	if err := s3utils.CheckValidBucketName(a.bucket); err != nil {
		return a, fmt.Errorf("bucket %q: %w", a.bucket, err)
	}
	if a.prefix = strings.Trim(u.Path, "/"); a.prefix != "" {
		a.prefix += "/"
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return a, fmt.Errorf("parameters: %w", err)
	}
	a.endpoint, a.secure = defaultEndpoint, true
	for name, values := range query {
		switch name {
		case "endpoint":
			if a.endpoint, a.secure, err = parseEndpoint(values[0]); err != nil {
				return a, err
			}
		case "region":
			a.region = values[0]
		default:
			return a, fmt.Errorf("parameter %q: there are endpoint and region", name)
		}
	}
	return a, nil
}

func parseEndpoint(raw string) (host string, secure bool, err error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.User != nil {
		return "", false, errors.New("endpoint: use https://HOST:PORT, or http:// for a store without TLS")
	}
	return u.Host, u.Scheme == "https", nil
}

// String returns the place for people.
func (a *address) String() string {
	return strings.TrimSuffix("s3://"+a.bucket+"/"+a.prefix, "/") + " at " + a.endpoint
}

// anonymous returns the URL of an object for clients without credentials.
func (a *address) anonymous(key string) string {
	scheme := "http"
	if a.secure {
		scheme = "https"
	}
	return (&url.URL{Scheme: scheme, Host: a.endpoint, Path: "/" + a.bucket + "/" + a.prefix + key}).String()
}
