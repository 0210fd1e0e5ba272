package checkpoint

// SkippedType is the number of a consumer's skipped events of a type.
type SkippedType struct {
	Feed   string // the feed's name
	FeedID string
	Type   string // OtherTypes for types that are counted together
	Events int64
}

// MaxSkippedTypes is about the number of a feed's types that are counted by name.
const MaxSkippedTypes = 1000

// OtherTypes is the name under which all further types are counted.
const OtherTypes = "(other types)"

// BoundTypes returns the counts of at most MaxSkippedTypes types; it counts the others under
// OtherTypes.
func BoundTypes(types map[string]int64) map[string]int64 {
	if len(types) <= MaxSkippedTypes {
		return types
	}
	bounded := make(map[string]int64, MaxSkippedTypes+1)
	for name, events := range types {
		if len(bounded) >= MaxSkippedTypes {
			name = OtherTypes
		}
		bounded[name] += events
	}
	return bounded
}
