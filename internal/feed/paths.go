package feed

import (
	"regexp"
	"strconv"
	"strings"
)

// Names of feeds are URL segments; '.' and '..' cannot be among them because
// the first character is a letter or a digit.
var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// SiteSuffix is what the name of the subscription document ends in on a site: a folder or a bucket
// cannot hold a document beside others whose paths begin with its own.
const SiteSuffix = ".atom"

// ValidName reports whether name can name a feed: 1 to 63 characters of a-z,
// 0-9, '.', '_' and '-', the first a letter or a digit, the end not .atom or .gz, which files of
// a site end in.
func ValidName(name string) bool {
	return namePattern.MatchString(name) && !strings.HasSuffix(name, SiteSuffix) && !strings.HasSuffix(name, ".gz")
}

// SubscriptionPath is the path of a feed's own URL below the server's root.
func SubscriptionPath(name string) string { return "/feeds/" + name }

// SitePath is the path of a feed's subscription document on a site, below its root. A server has the
// same document there.
func SitePath(name string) string { return SubscriptionPath(name) + SiteSuffix }

// isSiteURL reports whether the URL of a subscription document, or a reference to it, is that of a site.
// No feed's name ends in SiteSuffix, so no other URL does.
func isSiteURL(reference string) bool { return strings.HasSuffix(reference, SiteSuffix) }

// ArchivePath is the path of an archive below the server's root.
func ArchivePath(name string, page Page) string {
	return SubscriptionPath(name) + "/archive/" + page.Epoch + "/" + strconv.FormatInt(page.Number, 10)
}

// ArchiveTemplate is where a feed's archives are, relative to its own URL. A
// reader fills in {epoch} and {page}, so it need not know our paths.
func ArchiveTemplate(name string) string { return name + "/archive/{epoch}/{page}" }

// ExpandTemplate fills an archive template of a subscription document.
func ExpandTemplate(template string, page Page) string {
	return strings.NewReplacer("{epoch}", page.Epoch, "{page}", strconv.FormatInt(page.Number, 10)).Replace(template)
}

// ArchiveReference is the reference from one archive of a feed to another.
func ArchiveReference(from, to Page) string {
	number := strconv.FormatInt(to.Number, 10)
	if from.Epoch == to.Epoch {
		return number
	}
	return "../" + to.Epoch + "/" + number
}

// SubscriptionReference is the reference from an archive to the feed's URL.
func SubscriptionReference(name string) string { return "../../../" + name }

// Link leads from a document to another one, or to itself.
type Link struct {
	Rel       string // self, current, prev-archive or next-archive
	Reference string // relative to the document's own URL
}

// Links are a document's links, RFC 5005 section 4, in the order that it has
// them in.
func (d *Document) Links() []Link {
	if d.Kind == Subscription {
		links := []Link{{"self", d.Name}}
		if d.Site {
			links[0].Reference += SiteSuffix
		}
		if d.Archives > 0 {
			newest := Page{EpochOfPage(d.Epochs, d.Archives), d.Archives}
			links = append(links, Link{"prev-archive", ExpandTemplate(d.Template, newest)})
		}
		return links
	}
	page := Page{d.Epoch, d.Page}
	links := []Link{{"self", strconv.FormatInt(d.Page, 10)}, {"current", SubscriptionReference(d.Name)}}
	if d.Page > 1 {
		previous := Page{EpochOfPage(d.Epochs, d.Page-1), d.Page - 1}
		links = append(links, Link{"prev-archive", ArchiveReference(page, previous)})
	}
	if d.Next != nil {
		links = append(links, Link{"next-archive", ArchiveReference(page, *d.Next)})
	}
	return links
}
