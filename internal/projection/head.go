package projection

import (
	"fmt"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
)

// Heads returns the names in the first lines of the blocks, in the order of the file.
func (p *Projection) Heads() []checkpoint.BlockName {
	var all []checkpoint.BlockName
	for _, b := range p.blocks {
		for _, n := range b.names {
			all = append(all, checkpoint.BlockName{Place: fmt.Sprintf("%s:%d", p.Name, b.line), Name: n.String(), Feed: n.feed, Type: n.event})
		}
	}
	return all
}
