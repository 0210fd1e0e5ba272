package html

import "time"

// Export is the state of an export. Its page shows it, and its JSON is this struct. No URL and no text
// in it holds a password.
type Export struct {
	Site    string       `json:"site"`
	Version string       `json:"version"`
	Now     time.Time    `json:"now"` // when this was put together
	Error   string       `json:"error"`
	Since   time.Time    `json:"since,omitzero"` // when the first try of an outage failed; zero if the last one succeeded
	Feeds   []ExportFeed `json:"feeds"`
	Paths   []string     `json:"paths"` // of the same listener
}

// ExportFeed is how far a feed is exported.
type ExportFeed struct {
	Name         string    `json:"name"`
	Archives     int64     `json:"archives"`
	Position     int64     `json:"position"` // the last one of the site
	Head         int64     `json:"head"`     // the last one of the log, when it was read last
	BehindEvents int64     `json:"behind_events"`
	Exported     time.Time `json:"exported"` // when site and log were seen to be the same; zero before that
	Ago          string    `json:"-"`
	Documents    int64     `json:"documents"` // written by this process
	Bytes        int64     `json:"bytes"`     // of these, not compressed
	Size         string    `json:"-"`
	Error        string    `json:"error"`
}

// Sentence says in one line how the export is.
func (e *Export) Sentence() string {
	switch {
	case e.Error != "":
		return "The export has failed, and is tried again."
	case len(e.Feeds) == 0:
		return "Nothing is exported yet."
	}
	for i := range e.Feeds {
		if e.Feeds[i].BehindEvents > 0 || e.Feeds[i].Exported.IsZero() {
			return "Exporting: the site is behind."
		}
	}
	return "The site is up to date."
}

var exportTemplate = parse("export.html")

// ExportPage renders the page of an export.
func ExportPage(e *Export) ([]byte, error) {
	return render(exportTemplate, page{
		Title: "Export", Root: "./", Content: e,
		Alternates: []link{{"./?format=json", "JSON", "application/json"}, {"./?format=text", "Plain text", "text/plain"}},
	})
}
