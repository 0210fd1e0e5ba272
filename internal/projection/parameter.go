package projection

import (
	"slices"
	"strings"

	"github.com/eventfeed/eventfeed/event"
)

// Parameter is an attribute of an event that statements can use.
type Parameter uint8

// The parameters.
const (
	FeedParameter Parameter = iota
	PositionParameter
	IDParameter
	SourceParameter
	TypeParameter
	SubjectParameter
	TimeParameter
	DataSchemaParameter
	DataParameter
	DataBytesParameter
	LiveParameter
	ParameterCount
)

var parameterNames = [ParameterCount]string{
	"feed", "position", "id", "source", "type", "subject", "time", "dataschema", "data", "data_bytes", "live",
}

// parameterNamed returns the parameter of this name.
func parameterNamed(name string) (p Parameter, known bool) {
	i := slices.Index(parameterNames[:], name)
	return Parameter(max(i, 0)), i >= 0
}

// KnownParameters lists all parameters, for messages.
func KnownParameters() string { return ":" + strings.Join(parameterNames[:], " :") }

// Attribute returns the event's attribute for a parameter that is text.
func Attribute(p Parameter, e *event.Delivered) string {
	switch p {
	case FeedParameter:
		return e.Feed
	case IDParameter:
		return e.ID
	case SourceParameter:
		return e.Source
	case TypeParameter:
		return e.Type
	case SubjectParameter:
		return e.Subject
	case DataSchemaParameter:
		return e.DataSchema
	}
	panic("projection: " + parameterNames[p] + " is no text")
}
