package checkpoint

// SkippedType is how many events of a type a consumer's sink had no use for.
type SkippedType struct {
	Feed   string // the feed's name
	FeedID string
	Type   string // OtherTypes for those that are counted together
	Events int64
}

// MaxSkippedTypes is about how many types of a feed are counted by name.
const MaxSkippedTypes = 1000

// OtherTypes stands for all further types, where there are very many.
const OtherTypes = "(other types)"

// BoundTypes counts types beyond the first so many together.
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
