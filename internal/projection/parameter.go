package projection

import (
	"slices"
	"strings"
)

// parameter is an attribute of an event that a statement can name.
type parameter uint8

const (
	feedParameter parameter = iota
	positionParameter
	idParameter
	sourceParameter
	typeParameter
	subjectParameter
	timeParameter
	dataschemaParameter
	dataParameter
	dataBytesParameter
	liveParameter
	parameterCount
)

var parameterNames = [parameterCount]string{
	"feed", "position", "id", "source", "type", "subject", "time", "dataschema", "data", "data_bytes", "live",
}

// parameterNamed returns the parameter of this name.
func parameterNamed(name string) (p parameter, known bool) {
	i := slices.Index(parameterNames[:], name)
	return parameter(max(i, 0)), i >= 0
}

// knownParameters lists all of them for messages.
func knownParameters() string { return ":" + strings.Join(parameterNames[:], " :") }
