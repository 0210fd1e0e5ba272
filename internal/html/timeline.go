package html

import (
	"slices"
	"time"
	"unicode/utf8"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
)

// EntityCut is how many bytes of each event's data a timeline reads. Members of longer data are not
// compared.
const EntityCut = 16 << 10

// EntityVersion is an event of an entity. Its data may be cut after EntityCut bytes.
type EntityVersion struct {
	event.Placed
	Version    int64
	DataSize   int64 // of its data, in bytes
	IsCompared bool  // the version after it is compared with it, and it is not shown
}

// timelineView has versions by days, the newest first.
type timelineView struct {
	Days        []timelineDay
	HasRecorded bool // one of them IsRecordedApart
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
	Changes         changes // from the version before it
	Data            string
	IsRecordedApart bool // recorded more than recordedApart from when it happened
	IsOtherDay      bool // recorded on another day
}

// recordedApart is up to how long before or after an event's time its recorded time says nothing new.
const recordedApart = time.Second

// timeline groups versions, which are in order, by the days of their events' times, the newest first.
func timeline(root, name string, versions []EntityVersion) (view timelineView) {
	var days []timelineDay
	for i, v := range slices.Backward(versions) {
		if v.IsCompared {
			continue
		}
		row := timelineRow{
			EntityVersion: v, Href: eventReference(root, name, &v.Event), Principal: cloudevents.Principal(&v.Event),
			Data: dataLine(&v.Event, v.DataSize), IsOtherDay: !dayOf(v.Time).Equal(dayOf(v.Recorded)),
			IsRecordedApart: v.Recorded.Sub(v.Time).Abs() > recordedApart,
		}
		view.HasRecorded = view.HasRecorded || row.IsRecordedApart
		if i > 0 && versions[i-1].Version == v.Version-1 {
			row.Changes = changesOf(&versions[i-1], &v)
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
	view.Days = days
	return view
}

func dayOf(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

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
