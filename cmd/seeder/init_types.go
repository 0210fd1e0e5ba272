package main

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/projection"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// maxExtra is the maximum number of pages that init reads besides the sample, for types that no page
// of the sample has.
const maxExtra = 12

// addTypes adds the counts of all types to a sample, and events of the types that it has none of. The
// sample stays as it is if the feed's server does not count types.
func addTypes(command *cobra.Command, client *walk.Client, head *walk.Subscription, sample *projection.Sample) error {
	types, err := client.Types(command.Context(), head)
	if err != nil && command.Context().Err() == nil {
		cli.Logger(command.ErrOrStderr()).Warn("cannot read the types of the feed; the file has only those of the sampled pages", "error", err)
		return nil
	}
	if err != nil || types == nil {
		return err
	}
	sample.SetCounts(types.Types, types.Position, types.More)
	tried, extra := []int64(nil), 0
	for {
		unsampled := slices.DeleteFunc(sample.Unsampled(), func(position int64) bool {
			return slices.Contains(tried, position) || position > head.Last // that one is new since
		})
		if len(unsampled) == 0 {
			return nil
		}
		position := unsampled[0]
		tried = append(tried, position)
		d := head.Document
		if position < head.First {
			if extra++; extra > maxExtra {
				return nil
			}
			if d, err = client.ArchiveAt(command.Context(), head, position); err != nil {
				return err
			}
		}
		addUnsampled(sample, d)
	}
}

// addUnsampled adds the events of a document whose types the sample has no event of.
func addUnsampled(sample *projection.Sample, d *feed.Document) {
	missing := make(map[string]bool)
	for i := range d.Entries {
		if e := &d.Entries[i].Event; !sample.Has(e.Type) {
			missing[e.Type] = true
		}
	}
	for i := range d.Entries {
		if e := &d.Entries[i].Event; missing[e.Type] {
			sample.Add(e)
		}
	}
}
