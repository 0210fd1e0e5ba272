package html

// FoundInFeeds is what a search at the server's root has found.
type FoundInFeeds struct {
	Query string
	Feeds []FoundInFeed // that were searched, by name
	Of    int           // number of all feeds that the client may read
}

// FoundInFeed is what a search at the server's root has found in a feed.
type FoundInFeed struct {
	Name, Title string
	HasEntities bool  // its subjects were searched
	Events      int64 // number of the events that have the text as their id
	// Versions is the number of the events of Subject, which is the text, or a part of it if IsPart: the
	// text without a time if IsTime.
	Subject        string
	IsPart, IsTime bool
	Versions       int64
}

type foundInFeedsContent struct {
	*FoundInFeeds
	Found, Plain []foundInFeed // feeds with results; feeds without entities
}

type foundInFeed struct {
	FoundInFeed
	Heading, Href string // Href is the reference to the search in the feed
}

var foundInFeedsTemplate = parse("findall.html", "foundinfeeds.html")

// FoundInFeedsPage renders the result of a search at the server's root.
func FoundInFeedsPage(f *FoundInFeeds) ([]byte, error) {
	const root = "./"
	c := foundInFeedsContent{FoundInFeeds: f}
	for _, in := range f.Feeds {
		one := foundInFeed{in, heading(in.Name, in.Title), searchReference(feedReference(root, in.Name), f.Query)}
		if in.Events > 0 || in.Versions > 0 {
			c.Found = append(c.Found, one)
		}
		if !in.HasEntities {
			c.Plain = append(c.Plain, one)
		}
	}
	return render(foundInFeedsTemplate, page{
		Title: "Find: " + clip(60, plain(f.Query)), Root: root, Content: c, NoIndex: true,
		Crumbs: []link{{Href: root, Text: "Feeds"}},
	})
}
