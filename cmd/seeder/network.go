package main

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"net/url"
	"os"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/foreign"
	"github.com/eventfeed/eventfeed/internal/terminal"
	"github.com/eventfeed/eventfeed/seed"
)

// network holds the values of the flags for access to a feed's server.
type network struct {
	origins cli.URLs
	fields  cli.Fields
	bearer  string
	// maxDocument is the maximum size of a foreign document, in bytes.
	maxDocument int64
	http        fetch.HTTPConfig
	command     *cobra.Command // for warnings
	warned      bool
}

// accessGroup and foreignGroup are groups of flags in the help.
const (
	accessGroup  = "Access to the feed's server: bearer-file header client-certificate client-key ca allow-origin"
	foreignGroup = "Feeds not served by eventfeed: max-document"
)

// networkFlags adds the flags for access to a feed's server.
func networkFlags(command *cobra.Command) *network {
	n := &network{command: command}
	flags := command.Flags()
	flags.Var(&n.origins, "allow-origin", "also follow links and redirects to `URL` (scheme, host, port), without credentials; repeatable")
	flags.Var(&n.fields, "header", "send header `FIELD` to the feed's server, such as 'X-Api-Key: 1234'; repeatable")
	flags.Int64Var(&n.maxDocument, "max-document", fetch.DefaultMaxDocument, "maximum `BYTES` of a decompressed document; reading it takes five times as much memory")
	flags.StringVar(&n.bearer, "bearer-file", "", "send the token in `FILE` to the feed's server as Authorization: Bearer")
	flags.StringVar(&n.http.ClientCertificate, "client-certificate", "", "show the certificate in the PEM `FILE` to the feed's server")
	flags.StringVar(&n.http.ClientKey, "client-key", "", "PEM `FILE` with the key of --client-certificate, not encrypted")
	flags.StringVar(&n.http.CA, "ca", "", "also trust the authorities in the PEM `FILE`")
	return n
}

// configure sets the values of the flags in a configuration whose other fields are complete.
func (n *network) configure(config *seed.Config) (err error) {
	for _, raw := range n.origins {
		if _, err := fetch.ParseOrigin(raw); err != nil {
			return cli.Usage("--allow-origin: %w", err)
		}
	}
	config.AllowOrigins = n.origins
	if n.maxDocument < 0 {
		return cli.Usage("--max-document %d: must be a number of bytes, or 0 for the default", n.maxDocument)
	}
	config.MaxDocument = n.maxDocument
	if config.Credentials, err = n.credentials(); err != nil {
		return err
	}
	if err := n.http.Check(); err != nil {
		return cli.Usage("--client-certificate and --client-key: %w", err)
	}
	made := n.http
	made.Connections, made.Wait = config.Prefetch, max(config.Wait, 0)
	for _, from := range config.From {
		feed, err := fetch.ParseURL(from)
		if err != nil {
			return cli.Usage("--from: %w", err)
		}
		made.Own = append(made.Own, feed)
	}
	if config.HTTPClient, err = made.Client(); err != nil {
		return cli.Usage("--ca, --client-certificate, --client-key: %w", err)
	}
	return nil
}

// credentials returns the credentials for the feeds' own servers. It reads the token's file once, so
// that a wrong path is an error at once.
func (n *network) credentials() (fetch.Credentials, error) {
	fields := http.Header{}
	for _, line := range n.fields {
		name, value, err := fetch.ParseField(line)
		if err != nil {
			return nil, cli.Usage("--header: %w", err)
		}
		fields.Add(name, value)
	}
	if n.bearer == "" {
		return func() (http.Header, error) { return fields, nil }, nil
	}
	if fields.Get("Authorization") != "" {
		return nil, cli.Usage("--bearer-file and --header Authorization: use only one of them")
	}
	bearer := &fetch.Bearer{Path: n.bearer, Fields: fields}
	if _, err := bearer.Show(); err != nil {
		return nil, cli.Usage("--bearer-file: %w", err)
	}
	n.warnOfReaders()
	return bearer.Show, nil
}

// warnOfReaders warns once about a token that everyone on the machine can read. Permissions for a
// group are deliberate, for example on a volume with secrets.
func (n *network) warnOfReaders() {
	const othersRead = 0o004
	info, err := os.Stat(n.bearer)
	if err != nil || info.Mode()&othersRead == 0 || n.warned {
		return
	}
	n.warned = true
	_, _ = terminal.Fprintf(n.command.ErrOrStderr(), "seeder: warning: everyone on this machine can read the token in %[1]s; change that with: chmod o= %[1]s\n", n.bearer)
}

// fetcher returns the client for one feed, configured like a run.
func (n *network) fetcher(feed *url.URL, config seed.Config) (*fetch.Client, error) {
	config.From = []string{feed.String()}
	if err := n.configure(&config); err != nil {
		return nil, err
	}
	client := &fetch.Client{
		HTTP: config.HTTPClient, Logger: config.Logger, Patience: config.Patience,
		Feed: feed, Credentials: config.Credentials, MaxDocument: config.MaxDocument,
	}
	for _, raw := range config.AllowOrigins {
		origin, err := fetch.ParseOrigin(raw)
		if err != nil {
			return nil, cli.Usage("--allow-origin: %w", err)
		}
		client.AllowOrigins = append(client.AllowOrigins, origin)
	}
	return client, nil
}

const (
	showWho    = `give credentials: with --bearer-file FILE for a token, --header 'NAME: VALUE', or --client-certificate FILE --client-key FILE; a token of feedserver may also be the password in the URL, https://anyone:TOKEN@HOST/feeds/NAME, which is best kept in $EVENTFEED_FROM or a file for --config`
	wasRefused = "the server refused the credentials: it does not know this token or password, or no longer; check the file of --bearer-file, the --header or the URL that they came from, or ask the operators of the server for new ones"
	lookAtURL  = "check what the URL returns, in a browser or with: curl -i URL; fix that, then run the same command again"
)

// wayIn returns the next step after an error of fetching.
func wayIn(err error) string {
	_, isUnknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, isOther := errors.AsType[x509.HostnameError](err)
	invalid, isInvalid := errors.AsType[x509.CertificateInvalidError](err)
	origin, isOrigin := errors.AsType[*fetch.OriginError](err)
	switch {
	case isOrigin && leadsToLinkLocal(origin.Origin):
		return "ask the operators of the feed's server: it sends readers to an address that only this machine, or the cloud that it runs in, should answer at"
	case isOrigin:
		return "use that URL if the feed has moved there; or allow that origin too, without credentials, with: --allow-origin " + origin.Origin
	case errors.Is(err, fetch.ErrUnauthorized) && fetch.WasShown(err):
		return wasRefused
	case errors.Is(err, fetch.ErrUnauthorized):
		return showWho
	case errors.Is(err, fetch.ErrForbidden):
		return "ask the operators of the server for access; or " + showWho
	case isUnknown:
		return "if a private authority has issued the server's certificate, trust that authority with: --ca FILE"
	case isOther:
		return "use a URL with a host name that the server's certificate has"
	case isInvalid && invalid.Reason == x509.Expired:
		return "ask the operators of the server to renew its certificate; or set this machine's clock"
	case errors.Is(err, fetch.ErrSpeaksTLS):
		return "use https:// in the URL"
	case errors.Is(err, http.ErrSchemeMismatch):
		return "if the server has no TLS, use http:// in the URL"
	case fetch.IsTLS(err):
		return "the server and this program do not agree on TLS; if it asks for a certificate, give one that it trusts with: --client-certificate FILE --client-key FILE"
	case errors.As(err, new(*foreign.ExpandsError)), isTooLarge(err):
		return "if you trust the feed's server, allow larger documents, which need about five times their size in memory, with: --max-document BYTES"
	default:
		return lookAtURL
	}
}

// isTooLarge reports whether a document was refused because of a size that --max-document can allow.
func isTooLarge(err error) bool {
	large, is := errors.AsType[*fetch.TooLargeError](err)
	return is && !large.Own
}

// leadsToLinkLocal reports whether an error is about an origin that must not be suggested.
func leadsToLinkLocal(origin string) bool {
	u, err := url.Parse(origin)
	return err != nil || fetch.IsLinkLocal(context.Background(), u)
}
