package html

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/when"
)

// EntityCut is how many bytes of each event's data the timeline of an entity reads. Members of longer
// data are not compared.
const EntityCut = 16 << 10

// Entity is a part of the timeline of an entity.
type Entity struct {
	Feed, Title, Subject string
	Version              int64           // number of its events
	First, Newest        EntityVersion   // of its events; without data
	Versions             []EntityVersion // oldest first, at most ShownRows that are shown, and the one before them
	Asked                *when.Period    // that the request jumps to; nil if it does not
	IsFound              bool            // the newest version in Versions is of that period
}

// EntityVersion is an event of an entity. Its data may be cut after EntityCut bytes.
type EntityVersion struct {
	event.Placed
	Version  int64
	DataSize int64 // of its data, in bytes
}

// timelineDay has the versions of one day by their events' time, newest first.
type timelineDay struct {
	Day         time.Time
	Rows        []timelineRow
	IsDatedBack bool // the versions before these are of a later day
}

type timelineRow struct {
	EntityVersion
	Href, Principal string
	Changed         string // members of its data that are others than in the event before it
	Data            string
	IsOtherDay      bool // recorded on another day
}

type entityContent struct {
	*Entity
	Heading      string
	FeedHref     string
	Self         string
	InQuery      bool // the subject is a parameter of the entity's URL
	Days         []timelineDay
	From, To     int64 // versions that are shown
	Newer, Older string
	Oldest       string
	Day          string // that the request jumps to, as the form has it
	Least, Most  string // days that the form offers
}

var entityTemplate = parse("entity.html")

// EntityPage renders a part of the timeline of an entity.
func EntityPage(e *Entity) ([]byte, error) {
	const root = "../../../"
	self := root + feed.EntityPath(e.Feed, e.Subject)[1:]
	c := entityContent{
		Entity: e, Heading: heading(e.Feed, e.Title), FeedHref: feedReference(root, e.Feed), Self: self, InQuery: strings.Contains(self, "?"),
		Days: timeline(root, e), Least: e.First.Time.UTC().Format(time.DateOnly), Most: e.Newest.Time.UTC().Format(time.DateOnly),
	}
	if c.Least > c.Most {
		c.Least, c.Most = "", ""
	}
	if e.Asked != nil {
		c.Day = isoDay(e.Asked.Start)
	}
	if n := len(e.Versions); n > 0 {
		c.To = e.Versions[n-1].Version
		c.From = max(e.Versions[0].Version, c.To-ShownRows+1)
	}
	if newer := c.To + ShownRows + 1; c.To < e.Version {
		c.Newer = self
		if newer <= e.Version {
			c.Newer = withParameter(self, "before", newer)
		}
	}
	if c.From > 1 {
		c.Older, c.Oldest = withParameter(self, "before", c.From), withParameter(self, "before", ShownRows+1)
	}
	return render(entityTemplate, page{
		Title: e.Subject + " in " + plain(c.Heading), Root: root, Content: c,
		Crumbs: []link{{Href: root, Text: "Feeds"}, {Href: c.FeedHref, Text: c.Heading}},
		Alternates: []link{
			{inFormat(self, "atom"), "Atom", feed.ContentType},
			{inFormat(self, "rss"), "RSS", "application/rss+xml"},
			{inFormat(self, "json"), "JSON Feed", "application/feed+json"},
			{inFormat(self, "cloudevents"), "CloudEvents", "application/cloudevents-batch+json"},
		},
	})
}

func withParameter(reference, name string, value int64) string {
	return withText(reference, name, strconv.FormatInt(value, 10))
}

// withText adds a parameter whose value needs no escapes.
func withText(reference, name, value string) string {
	separator := "?"
	if strings.Contains(reference, "?") {
		separator = "&"
	}
	return reference + separator + name + "=" + value
}

func inFormat(reference, format string) string { return withText(reference, "format", format) }

// timeline groups the shown versions by the days of their events' times, the newest version first.
func timeline(root string, e *Entity) (days []timelineDay) {
	for i, v := range slices.Backward(e.Versions) {
		if len(e.Versions)-i > ShownRows {
			break
		}
		row := timelineRow{
			EntityVersion: v, Href: eventReference(root, e.Feed, &v.Event), Principal: cloudevents.Principal(&v.Event),
			Data: v.line(), IsOtherDay: !dayOf(v.Time).Equal(dayOf(v.Recorded)),
		}
		if i > 0 {
			row.Changed = changedMembers(&e.Versions[i-1], &v)
		}
		if day := dayOf(v.Time); len(days) == 0 || !days[len(days)-1].Day.Equal(day) {
			if len(days) > 0 {
				days[len(days)-1].IsDatedBack = days[len(days)-1].Day.Before(day)
			}
			days = append(days, timelineDay{Day: day})
		}
		last := &days[len(days)-1]
		last.Rows = append(last.Rows, row)
	}
	return days
}

func dayOf(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// line is the version's data in one line.
func (v *EntityVersion) line() string { return dataLine(&v.Event, v.DataSize) }

// wholeCharacters cuts off a character of UTF-8 that is not complete.
func wholeCharacters(data []byte) []byte {
	for cut := 1; cut < utf8.UTFMax && cut <= len(data); cut++ {
		if start := len(data) - cut; utf8.RuneStart(data[start]) {
			if !utf8.FullRune(data[start:]) {
				return data[:start]
			}
			break
		}
	}
	return data
}

// Bounds of the list of changed members.
const (
	shownMembers = 5
	shownMember  = 40 // characters
	mostMembers  = 200
)

// changedMembers names the members of a version's data that are others than in the version before it;
// nothing if one of the two is no JSON object, or if they have no member in common.
func changedMembers(before, after *EntityVersion) string {
	old, now := before.members(), after.members()
	var names []string
	isCommon := false
	for _, name := range slices.Sorted(maps.Keys(now)) {
		value, found := old[name]
		isCommon = isCommon || found
		if !found || value != now[name] {
			names = append(names, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(old)) {
		if _, found := now[name]; !found {
			names = append(names, "no more "+name)
		}
	}
	if !isCommon || len(names) == 0 {
		return ""
	}
	shown := names[:min(len(names), shownMembers)]
	for i, name := range shown {
		shown[i] = clip(shownMember, plain(name))
	}
	text := strings.Join(shown, ", ")
	if more := len(names) - len(shown); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// members returns the members of the version's data, each without white space between its tokens; none
// if the data is no JSON object, is cut, or has too many.
func (v *EntityVersion) members() map[string]string {
	var raw map[string]json.RawMessage
	if !cloudevents.IsJSON(v.DataContentType) || v.DataSize > int64(len(v.Data)) || json.Unmarshal(v.Data, &raw) != nil || len(raw) > mostMembers {
		return nil
	}
	members := make(map[string]string, len(raw))
	for name, value := range raw {
		members[name] = compact(value, len(value))
	}
	return members
}
