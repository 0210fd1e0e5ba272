package readers

import "container/list"

// The list is bounded in what any one reader can fill of it. Entries that wait are never dropped: there
// are at most as many of them as open connections.
const (
	// Limit is the maximum number of entries of readers without a name. A new one replaces the one that
	// was seen longest ago.
	Limit = 1000
	// NamedLimit is that of readers with a token or a certificate. Readers without a name never replace
	// one of them.
	NamedLimit = 10_000
	// AddressLimit is the maximum number of entries of one address, and NameLimit that of one name: of
	// a reader with more feeds, those that it has asked for last are kept.
	AddressLimit = 200
	NameLimit    = 5000
	// ProgramLimit is the maximum number of programs of one address.
	ProgramLimit = 20
)

// class is the entries of all readers with a name, or of all without.
type class struct {
	count int
	idle  list.List // those that do not wait, the one that was seen last at the front
}

// owner is the entries of one reader in all feeds.
type owner struct {
	count    int
	idle     list.List
	programs map[string]int // how many of its entries are of a program
}

type ownerKey struct {
	kind Kind
	name string
}

func (k *key) owner() ownerKey { return ownerKey{k.Kind, k.Name} }

func (k *key) isNamed() bool { return k.Kind != Address }

func (l *List) class(k *key) (of *class, limit int) {
	if k.isNamed() {
		return &l.named, NamedLimit
	}
	return &l.addresses, Limit
}

// insert puts an entry in the list that is not there, and drops others if there are too many.
func (l *List) insert(e *entry) {
	if l.entries == nil {
		l.entries, l.owners = make(map[key]*entry), make(map[ownerKey]*owner)
	}
	for l.isFull(&e.key) {
		idle := &l.owners[e.key.owner()].idle
		if idle.Len() == 0 {
			break
		}
		l.drop(idle.Back().Value.(*entry))
	}
	c, limit := l.class(&e.key)
	l.trim(c, limit-1)
	o := l.owners[e.key.owner()]
	if o == nil {
		o = &owner{programs: make(map[string]int)}
		l.owners[e.key.owner()] = o
	}
	l.entries[e.key] = e
	c.count++
	o.count++
	o.programs[e.key.program]++
	e.owner, e.class = o, c
	e.inClass, e.inOwner = c.idle.PushFront(e), o.idle.PushFront(e)
}

// isFull reports whether the reader has too many entries for this one more.
func (l *List) isFull(k *key) bool {
	o := l.owners[k.owner()]
	switch {
	case o == nil:
		return false
	case k.isNamed():
		return o.count >= NameLimit
	default:
		return o.count >= AddressLimit || len(o.programs) >= ProgramLimit && o.programs[k.program] == 0
	}
}

// trim drops the entries that were seen longest ago while there are more than a number.
func (l *List) trim(c *class, limit int) {
	for c.count > limit && c.idle.Len() > 0 {
		l.drop(c.idle.Back().Value.(*entry))
	}
}

// touch puts an entry where those are that were seen last, or takes it out of those that may be dropped
// if it waits.
func (l *List) touch(e *entry) {
	switch {
	case e.Waiting > 0 && e.inClass != nil:
		e.class.idle.Remove(e.inClass)
		e.owner.idle.Remove(e.inOwner)
		e.inClass, e.inOwner = nil, nil
	case e.Waiting > 0:
	case e.inClass == nil:
		e.inClass, e.inOwner = e.class.idle.PushFront(e), e.owner.idle.PushFront(e)
		l.trim(l.class(&e.key))
	default:
		e.class.idle.MoveToFront(e.inClass)
		e.owner.idle.MoveToFront(e.inOwner)
	}
}

// drop takes an entry that does not wait out of the list.
func (l *List) drop(e *entry) {
	delete(l.entries, e.key)
	e.class.idle.Remove(e.inClass)
	e.owner.idle.Remove(e.inOwner)
	e.class.count--
	e.owner.count--
	if e.owner.programs[e.key.program]--; e.owner.programs[e.key.program] == 0 {
		delete(e.owner.programs, e.key.program)
	}
	if e.owner.count == 0 {
		delete(l.owners, e.key.owner())
	}
	e.class, e.owner, e.inClass, e.inOwner = nil, nil, nil, nil
}

// present returns the visit's entry. One that was dropped in the meantime comes back, unless the reader
// has another one by now.
func (l *List) present(e *entry) *entry {
	if e.class != nil {
		return e
	}
	if other := l.entries[e.key]; other != nil {
		return other
	}
	l.insert(e)
	return e
}
