package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/site"
	"github.com/eventfeed/eventfeed/internal/site/bucket"
	"github.com/eventfeed/eventfeed/internal/site/folder"
)

// siteFlags say where a site is, and how it is written.
type siteFlags struct {
	url             string
	public, private bool
	coding          string
	singleWriter    bool
}

func (f *siteFlags) add(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&f.url, "site", "", "`PLACE` to export to: a folder, or s3://BUCKET/PREFIX?endpoint=URL&region=REGION")
	flags.BoolVar(&f.public, "public", false, "everyone may read the site")
	flags.BoolVar(&f.private, "private", false, "not everyone may read the site: shared caches keep nothing, and a bucket that everyone may read is refused")
	flags.StringVar(&f.coding, "coding", codingGzip, "how a bucket holds the documents: `CODING` gzip, or identity for readers that cannot decompress")
	flags.BoolVar(&f.singleWriter, "single-writer", false, "export to a bucket that ignores conditional writes; you make sure that only one process writes to it")
}

// Codings of documents in a bucket.
const (
	codingGzip     = "gzip"
	codingIdentity = "identity"
)

const bucketScheme = "s3://"

func (f *siteFlags) isBucket() bool { return strings.HasPrefix(f.url, bucketScheme) }

// shown returns the place without what may be secret.
func (f *siteFlags) shown() string {
	if f.isBucket() {
		return cli.Redact(f.url)
	}
	return f.url
}

// check checks what was typed.
func (f *siteFlags) check() error {
	switch {
	case f.url == "":
		return cli.Usage("--site: required; name a folder, or s3://BUCKET/PREFIX")
	case f.public == f.private:
		return cli.Usage("use --public if everyone may read the site, or --private: a feed on a server may stand behind tokens, and a site has none")
	case f.coding != codingGzip && f.coding != codingIdentity:
		return cli.Usage("--coding %q: use %s or %s", f.coding, codingGzip, codingIdentity)
	case !f.isBucket() && strings.Contains(f.url, "://"):
		return cli.Usage("--site %s: the scheme must be s3; a folder has none", cli.Redact(f.url))
	case !f.isBucket() && (f.singleWriter || f.coding != codingGzip):
		return cli.Usage("--single-writer and --coding: are for buckets, and --site names a folder")
	}
	return nil
}

// open opens the site. check says whether it can be exported to, and is called before that.
func (f *siteFlags) open() (store site.Store, check func(context.Context) error, err error) {
	if !f.isBucket() {
		store, err = folder.Open(f.url, f.public)
		return store, nil, err
	}
	b, err := bucket.Open(f.url, bucket.Options{
		Public: f.public, Identity: f.coding == codingIdentity, SingleWriter: f.singleWriter,
	})
	if err != nil {
		return nil, nil, err
	}
	return b, b.Check, nil
}
