package sqlite

// The queries that a request for types makes, for their plans.
const (
	ArchivedTypesQuery = archivedTypes
	CountTypesQuery    = countTypes
	HasTypeQuery       = hasType
)
