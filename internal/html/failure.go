package html

// Failure is an answer that is an error.
type Failure struct {
	Root   string // see [Root]
	Status int
	Title  string
	Detail string
}

var errorTemplate = parse("error.html")

// Error renders an error for people.
func Error(f Failure) ([]byte, error) {
	return render(errorTemplate, page{Title: f.Title, Root: f.Root, Content: f, Crumbs: []link{{Href: f.Root, Text: "Feeds"}}})
}
