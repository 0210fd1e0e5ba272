package cloudevents

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"mime"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/jsontext"
)

// Extension attributes that stand in the JSON of a placed event, the version in that of an entity's
// event only, the last three in that of a delivered one only, and nowhere else. An extension of the event's
// own under one of these names gives way. The position is a string: an Integer
// of CloudEvents has 32 bits. Whether the event is live is a Boolean.
const (
	PositionAttribute = "efposition"
	RecordedAttribute = "efrecorded"
	VersionAttribute  = "efversion"
	FeedAttribute     = "effeed"
	FeedIDAttribute   = "effeedid"
	LiveAttribute     = "eflive"
)

// placeAttributes are those of a placed event, deliveryAttributes those of a
// delivered one.
var (
	placeAttributes    = []string{PositionAttribute, RecordedAttribute, VersionAttribute}
	deliveryAttributes = []string{PositionAttribute, RecordedAttribute, VersionAttribute, FeedAttribute, FeedIDAttribute, LiveAttribute}
)

// MaxJSONDepth is how deeply data may be nested to stand in the JSON format as
// JSON. Readers have bounds of their own (64 is the lowest that is common), and
// one event must not make a whole document unreadable to them.
const MaxJSONDepth = 60

// AppendJSON appends e, which must be in normal form, to b in the JSON format
// of CloudEvents 1.0.2: always on one line, members in one fixed order, and
// such that [ParseJSON] gives back e.
//
// Where the data is JSON and its type says so, it is the member data, to the
// byte. Where its type is another, and it is UTF-8, data is a string that holds
// it. Else it is data_base64, also where JSON
//   - is no JSON, or holds half of a surrogate pair, at which readers stop;
//   - has a line break between its tokens, or white space around it;
//   - is nested more deeply than [MaxJSONDepth];
//   - comes without a datacontenttype, which data would set to application/json.
func AppendJSON(b []byte, e *event.Event) []byte {
	b = appendAttributes(b, e)
	b = appendExtensions(b, e.Extensions, nil)
	return append(appendData(b, e), '}')
}

// AppendPlacedJSON appends e as [AppendJSON] does, with its position and the
// time it got it as extension attributes.
func AppendPlacedJSON(b []byte, e *event.Placed) []byte { return AppendVersionJSON(b, e, 0) }

// AppendVersionJSON appends e as [AppendPlacedJSON] does, and its version among the events of its
// entity, if that is not 0, as another extension attribute.
func AppendVersionJSON(b []byte, e *event.Placed, version int64) []byte {
	b = appendAttributes(b, &e.Event)
	b = appendExtensions(b, e.Extensions, placeAttributes)
	b = appendPlace(b, e)
	if version > 0 {
		b = appendMember(b, VersionAttribute, strconv.FormatInt(version, 10))
	}
	return append(appendData(b, &e.Event), '}')
}

// AppendDeliveredJSON appends e as [AppendPlacedJSON] does, and as further
// extension attributes the feed's name, if it has one, its id, and whether the
// event is live.
func AppendDeliveredJSON(b []byte, e *event.Delivered) []byte {
	b = appendAttributes(b, &e.Event)
	b = appendExtensions(b, e.Extensions, deliveryAttributes)
	b = appendPlace(b, &e.Placed)
	b = appendMember(b, FeedAttribute, e.Feed)
	b = appendMember(b, FeedIDAttribute, e.FeedID)
	b = strconv.AppendBool(appendName(b, LiveAttribute), e.Live)
	return append(appendData(b, &e.Event), '}')
}

func appendPlace(b []byte, e *event.Placed) []byte {
	b = append(b, `,"`+PositionAttribute+`":"`...)
	b = strconv.AppendInt(b, e.Position, 10)
	b = append(b, `","`+RecordedAttribute+`":"`...)
	b = AppendTime(b, e.Recorded)
	return append(b, '"')
}

func appendAttributes(b []byte, e *event.Event) []byte {
	b = append(b, `{"specversion":"1.0"`...)
	b = appendMember(b, "id", e.ID)
	b = appendMember(b, "source", e.Source)
	b = appendMember(b, "type", e.Type)
	b = appendMember(b, "subject", e.Subject)
	if !e.Time.IsZero() {
		b = append(b, `,"time":"`...)
		b = append(AppendTime(b, e.Time), '"')
	}
	b = appendMember(b, "datacontenttype", e.DataContentType)
	return appendMember(b, "dataschema", e.DataSchema)
}

func appendMember(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return appendString(appendName(b, name), value)
}

func appendName(b []byte, name string) []byte {
	b = append(b, `,"`...)
	b = append(b, name...)
	return append(b, `":`...)
}

// appendExtensions writes them in the order of their names, each as a string:
// what type it had is not kept. Those under names of ours are left out.
func appendExtensions(b []byte, extensions map[string]string, ours []string) []byte {
	if len(extensions) == 0 {
		return b
	}
	for _, name := range slices.Sorted(maps.Keys(extensions)) {
		if slices.Contains(ours, name) {
			continue
		}
		b = appendString(appendName(b, name), extensions[name])
	}
	return b
}

func appendData(b []byte, e *event.Event) []byte {
	switch {
	case len(e.Data) == 0:
		return b
	case e.DataContentType == "" || !isUTF8Type(e.DataContentType) || !utf8.Valid(e.Data):
	case !IsJSON(e.DataContentType):
		return appendString(append(b, `,"data":`...), e.Data)
	case isValue(e.Data):
		return append(append(b, `,"data":`...), e.Data...)
	}
	b = append(b, `,"data_base64":"`...)
	b = base64.StdEncoding.AppendEncode(b, e.Data)
	return append(b, '"')
}

// isUTF8Type reports whether text under this media type is UTF-8, as far as it
// says: under another charset a string would stand for other bytes.
func isUTF8Type(contentType string) bool {
	if !strings.Contains(contentType, ";") {
		return true
	}
	_, parameters, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	charset := parameters["charset"]
	return charset == "" || strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "us-ascii")
}

// isValue reports whether data, which is UTF-8, can be the value of a member to
// the byte, on one line, and every reader takes it. White space at its ends
// would not be part of it.
func isValue(data []byte) bool {
	if data[0] <= ' ' || data[len(data)-1] <= ' ' || bytes.IndexByte(data, '\n') >= 0 || bytes.IndexByte(data, '\r') >= 0 {
		return false
	}
	if !json.Valid(data) || jsontext.IsDeeper(data, MaxJSONDepth) {
		return false
	}
	_, hasHalfPair := jsontext.Escapes(data)
	return !hasHalfPair
}

// appendString appends s, which must be UTF-8, as a JSON string.
func appendString[T string | []byte](b []byte, s T) []byte {
	b = append(b, '"')
	done := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[done:i]...)
		b = appendEscape(b, c)
		done = i + 1
	}
	b = append(b, s[done:]...)
	return append(b, '"')
}

func appendEscape(b []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\t':
		return append(b, `\t`...)
	default:
		return append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
	}
}
