package access

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Files are what TLS is made of, in PEM.
type Files struct {
	Certificate string // and those between it and the authority
	Key         string
	ClientCA    string // authorities of client certificates; empty means that clients need none
}

// TLS is the TLS configuration of a server, read from files and read again when they change. Existing
// connections stay open.
type TLS struct {
	files  followed[*tls.Config]
	warned time.Time // the end of the certificate that was warned of last
}

// LoadTLS reads the files. A certificate that has expired is no error, but
// warned of. A nil logger discards.
func LoadTLS(files Files, logger *slog.Logger) (*TLS, error) {
	paths := []string{files.Certificate, files.Key}
	if files.ClientCA != "" {
		paths = append(paths, files.ClientCA)
	}
	t := &TLS{files: followed[*tls.Config]{
		files:  paths,
		parse:  files.parse,
		logger: logger,
	}}
	if err := t.files.load(); err != nil {
		return nil, err
	}
	warnOfReaders(files.Key, t.files.logger)
	t.warnOfEnd()
	return t, nil
}

// Run follows the files as they change, until ctx is done.
func (t *TLS) Run(ctx context.Context) error { return t.files.run(ctx, t.warnOfEnd) }

// Config returns the configuration for http.Server.ServeTLS. Each connection
// begins with what the files hold at that time.
func (t *TLS) Config() *tls.Config {
	config := t.files.current.Load().value.Clone()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return t.files.current.Load().value, nil
	}
	return config
}

// Expires returns when the certificate that is in use ends.
func (t *TLS) Expires() time.Time {
	return t.files.current.Load().value.Certificates[0].Leaf.NotAfter
}

// warnOfEnd says once that a certificate is over, at the start or when it ends.
func (t *TLS) warnOfEnd() {
	end := t.Expires()
	if end.Before(time.Now()) && end != t.warned {
		t.warned = end
		t.files.logger.Warn("the certificate has expired, so clients will refuse it", "file", t.files.files[0], "expired", end)
	}
}

func (files Files) parse(contents [][]byte) (*tls.Config, error) {
	pair, err := tls.X509KeyPair(contents[0], contents[1])
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", files.Certificate, files.Key, meaning(contents[1], err))
	}
	config := &tls.Config{
		Certificates: []tls.Certificate{pair},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"h2", "http/1.1"}, // ServeTLS adds them to its own copy only
	}
	if files.ClientCA != "" {
		config.ClientAuth = tls.RequireAndVerifyClientCert
		if config.ClientCAs, err = authorities(contents[2]); err != nil {
			return nil, fmt.Errorf("certificates of %s: %w", files.ClientCA, err)
		}
	}
	return config, nil
}

// meaning says what is wrong with a key where Go's own words do not.
func meaning(key []byte, err error) error {
	if block, _ := pem.Decode(key); block != nil {
		if strings.Contains(block.Type, "ENCRYPTED") || block.Headers["DEK-Info"] != "" {
			return errors.New("the key is encrypted, and nobody can enter its password; decrypt it with: openssl pkey")
		}
	}
	return err
}

// authorities reads certificates. Each must be one: a pool would pass over what
// it cannot read without a word.
func authorities(content []byte) (*x509.CertPool, error) {
	pool, found, begun := x509.NewCertPool(), 0, bytes.Count(content, []byte("-----BEGIN "))
	for {
		block, rest := pem.Decode(content)
		if block == nil {
			break
		}
		content = rest
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("has a %s in it, and should have certificates only", strings.ToLower(block.Type))
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		pool.AddCert(certificate)
		found++
	}
	switch {
	case found == 0:
		return nil, errors.New("there is none in it; it must hold the authorities of client certificates in PEM")
	case found < begun: // pem.Decode passes over what is damaged
		return nil, fmt.Errorf("%d of %d are damaged", begun-found, begun)
	}
	return pool, nil
}
