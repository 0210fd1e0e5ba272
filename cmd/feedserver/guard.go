package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/httpd/access"
	"github.com/eventfeed/eventfeed/internal/httpd/forwarded"
	"github.com/eventfeed/eventfeed/internal/httpd/httplimit"
	"github.com/eventfeed/eventfeed/internal/server"
)

// guardFlags are the flags of who may reach a server, and by which way.
type guardFlags struct {
	tls                              access.Files
	tokens, trustedProxies, external string
	allowAppend                      bool
	maxWait                          time.Duration
	connections, requests            int
}

// Bounds of a client, if nothing else is said. A caching proxy is one client, unless
// it is trusted, and may have a thousand readers that wait.
const (
	clientConnections = 2000
	clientRequests    = 1500
)

func addGuardFlags(command *cobra.Command) *guardFlags {
	f, flags := new(guardFlags), command.Flags()
	flags.StringVar(&f.external, "base-url", "", "`URL` under which clients reach this server, if it differs from the address; needed behind a proxy")
	flags.StringVar(&f.tls.Certificate, "tls-cert", "", "PEM `FILE` with the certificate and its intermediates; reread when it changes")
	flags.StringVar(&f.tls.Key, "tls-key", "", "PEM `FILE` with the certificate's key; reread when it changes")
	flags.StringVar(&f.tls.ClientCA, "client-ca", "", "PEM `FILE` of authorities: clients must show a certificate that one of them issued")
	flags.StringVar(&f.tokens, "tokens", "", "`FILE` of access tokens, as feedserver token makes them; every client then needs one")
	flags.BoolVar(&f.allowAppend, "allow-append", false, "accept events by POST; without --tokens only on a loopback address")
	flags.DurationVar(&f.maxWait, "max-wait", server.DefaultMaxWait, "maximum `DURATION` of a long poll; 0s turns long polls off")
	flags.IntVar(&f.connections, "client-connections", clientConnections, "maximum `NUMBER` of open connections of one client address; 0: no limit")
	flags.IntVar(&f.requests, "client-requests", clientRequests, "maximum `NUMBER` of concurrent requests of one client address, long polls included; 0: no limit")
	flags.StringVar(&f.trustedProxies, "trusted-proxies", "", "`ADDRESSES` of proxies whose Forwarded and X-Forwarded-… fields are trusted, such as 10.0.0.0/8,::1")
	return f
}

// guard is who may reach a server, by which way, and under which URL.
type guard struct {
	tls    *access.TLS // nil means plain HTTP
	tokens *access.Tokens
	origin forwarded.Rules

	allowAppend bool
	maxWait     time.Duration

	connections, requests int // of one client
}

// check refuses what cannot be meant.
func (f *guardFlags) check() (g *guard, err error) {
	g = &guard{allowAppend: f.allowAppend, maxWait: cmp.Or(f.maxWait, -1), connections: f.connections, requests: f.requests}
	if f.external != "" {
		if g.origin.Base, err = forwarded.ParseBase(f.external); err != nil {
			return nil, cli.Usage("--base-url %q: %w", cli.Typed(f.external), err)
		}
	}
	if g.origin.Trusted, err = forwarded.ParseTrusted(f.trustedProxies); err != nil {
		return nil, cli.Usage("--trusted-proxies: %w", err)
	}
	switch {
	case f.maxWait < 0:
		return nil, cli.Usage("--max-wait %v: must not be negative; 0s holds no request", f.maxWait)
	case f.connections < 0:
		return nil, cli.Usage("--client-connections %d: must not be negative; 0 sets no limit", f.connections)
	case f.requests < 0:
		return nil, cli.Usage("--client-requests %d: must not be negative; 0 sets no limit", f.requests)
	case f.tls.Certificate == "" && f.tls.Key != "":
		return nil, cli.Usage("--tls-key needs --tls-cert: the certificate that the key is for")
	case f.tls.Certificate != "" && f.tls.Key == "":
		return nil, cli.Usage("--tls-cert needs --tls-key: the certificate's key")
	case f.tls.ClientCA != "" && f.tls.Certificate == "":
		return nil, cli.Usage("--client-ca needs --tls-cert and --tls-key: clients show certificates only to a server that has one")
	}
	return g, nil
}

// open reads the files.
func (f *guardFlags) open(g *guard, logger *slog.Logger) (err error) {
	fail := func(err error, next string) error {
		return &cli.StatusError{Status: cli.StatusFailed, Err: err, Next: next}
	}
	if f.tls.Certificate != "" {
		if g.tls, err = access.LoadTLS(f.tls, logger); err != nil {
			return fail(err, "name other files with --tls-cert, --tls-key and --client-ca")
		}
	}
	if f.tokens != "" {
		if g.tokens, err = access.LoadTokens(f.tokens, logger); err != nil {
			return fail(fmt.Errorf("--tokens: %w", err), "create its lines with: feedserver token NAME --read FEEDS")
		}
	}
	return nil
}

// scheme is that of the URLs of this server.
func (g *guard) scheme() string {
	if g.tls != nil {
		return "https"
	}
	return "http"
}

// checkAppend refuses to let everyone append who can reach the server.
func (g *guard) checkAppend(listen net.Addr) error {
	if !g.allowAppend || g.tokens != nil || access.Local(listen) {
		return nil
	}
	return cli.Usage("--allow-append: without tokens everyone who reaches %s could append; name who may with --tokens FILE, or listen on a loopback address", listen)
}

// warn tells of tokens that others could read on their way. A base URL with
// https says that a proxy has TLS.
func (g *guard) warn(listen net.Addr, logger *slog.Logger) {
	behindTLS := g.tls != nil || g.origin.Base != nil && g.origin.Base.Scheme == "https"
	if g.tokens != nil && !behindTLS && !access.Local(listen) {
		logger.Warn("clients send tokens unencrypted, unless a proxy in front of this server uses TLS", "listen", listen.String())
	}
}

// limits are those of the connections that the server accepts.
func (g *guard) limits(metrics *httplimit.Metrics) httplimit.Config {
	return httplimit.Config{
		ClientConnections: g.connections, Trusted: g.origin.Trusted, Plain: g.tls == nil,
		Fields: server.RequestFields, Metrics: metrics,
	}
}

// serve answers requests until the server is shut down.
func (g *guard) serve(server *http.Server, listener net.Listener) error {
	if g.tls == nil {
		return server.Serve(listener)
	}
	server.TLSConfig = g.tls.Config()
	return server.ServeTLS(listener, "", "")
}

// run follows the files until ctx is done.
func (g *guard) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	if g.tls != nil {
		group.Go(func() error { return g.tls.Run(ctx) })
	}
	group.Go(func() error { return g.tokens.Run(ctx) })
	return group.Wait()
}

// grants are what callers may do, nil if all may do all.
func (g *guard) grants() server.Grants {
	if g.tokens == nil {
		return nil
	}
	return g.tokens
}
