package checkpoint

// PublisherCannot returns what no publisher to a message broker supports.
func PublisherCannot() map[Feature]string {
	return map[Feature]string{
		DryRun:       "a message cannot be taken back",
		Parking:      "consumers get the history without gaps",
		AsOf:         "consumers get the history without gaps",
		ForeignFeeds: "each message carries a digest of the history, which only feeds of eventfeed have",
	}
}

// IsLog reports whether the target is a message log, which holds the checkpoint itself.
func (d Description) IsLog() bool { return d.Sink.Sink == SinkPublisher && d.External == nil }
