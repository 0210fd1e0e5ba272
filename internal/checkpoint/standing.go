package checkpoint

// Standing is a checkpoint, and how the consumer stands that it belongs to, for
// whoever looks on. To look changes nothing and needs no lock.
type Standing struct {
	Checkpoint
	Consumer Consumer
	Parked   int64 // parked events
	Held     bool  // a seeder holds the consumer now
	HeldErr  error // why that cannot be told; nil mostly
}
