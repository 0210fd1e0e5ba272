package broker

// Back returns which messages a Log reads for Earlier: how many messages before the last one of n,
// ascending. These are the last 16, and then eight in each doubling of the distance. With them, the
// last position that a restored feed has in common with the log is found with an error of at most an
// eighth of the messages after it.
func Back(n int64) (list []int64) {
	for back, step := int64(1), int64(1); back < n; back += step {
		list = append(list, back)
		if back >= 16*step {
			step *= 2
		}
	}
	return list
}
