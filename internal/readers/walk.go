package readers

// ahead is how many archives a reader fetches at a time at most, so that they come out of order: as
// many as a seeder does by default.
const ahead = 16

// walk is what archives a reader has got since it got the subscription document. From them alone one
// sees whether it goes through the history forward, so that the end of an archive is its position.
type walk struct {
	top   int64 // the last archive forward; 0 if there was none
	above int64 // only archives after this one show a way forward
}

// step notes an archive, and reports whether it is one further on a way forward.
func (w *walk) step(number int64) bool {
	switch {
	case w.top == 0 || number > w.top+ahead:
		*w = walk{top: number, above: number}
	case number < w.top-ahead: // those that are still to come of a way back are no way forward
		*w = walk{top: number, above: number + ahead}
	case number > w.top:
		w.top = number
		return number > w.above
	}
	return false
}

// isPosition notes an archive that ends at a position, and reports whether the reader is there. It is
// not if it goes back through the history, or reads an old archive once more while it follows the feed.
func (e *entry) isPosition(number, last int64) bool {
	forward := e.walk.step(number)
	switch {
	case last == 0:
		return false
	case e.Epoch == "":
		return true
	case e.hasFollowed:
		return forward && e.Waiting == 0
	default:
		return last > e.Position
	}
}

// follow notes that the reader has the subscription document.
func (e *entry) follow() { e.walk, e.hasFollowed = walk{}, true }
