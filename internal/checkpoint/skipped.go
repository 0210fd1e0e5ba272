package checkpoint

// SkippedType is how many events of a type a consumer's sink had no use for.
type SkippedType struct {
	Feed   string // the feed's name
	FeedID string
	Type   string // OtherTypes for those that are counted together
	Events int64
}

// maxSkippedTypes is about how many types of a feed are counted by name.
const maxSkippedTypes = 1000

// OtherTypes stands for all further types, where there are very many.
const OtherTypes = "(other types)"

// boundTypes counts types beyond the first so many together.
func boundTypes(types map[string]int64) map[string]int64 {
	if len(types) <= maxSkippedTypes {
		return types
	}
	bounded := make(map[string]int64, maxSkippedTypes+1)
	for name, events := range types {
		if len(bounded) >= maxSkippedTypes {
			name = OtherTypes
		}
		bounded[name] += events
	}
	return bounded
}
