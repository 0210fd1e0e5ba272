// Package site writes the documents of feeds to a folder or a bucket, from where any web server, object
// store or CDN serves them: a site.
//
// A site has the same relative paths as a server: feeds/NAME/archive/{epoch}/{page} for archives,
// feeds/NAME.atom for the subscription document, and feeds.xml for the service document. Archives are
// written first and the subscription document last, so what readers see is whole at any time. Nothing
// is overwritten without its expected content being known, and nothing is deleted without a copy.
package site

import (
	"context"
	"errors"
)

// Kind is the kind of an object. It decides how long caches may keep it, and how it is coded.
type Kind int

// The kinds.
const (
	Newest       Kind = iota // an archive that is written again when the next one is sealed
	Final                    // an archive that never changes
	Subscription             // the subscription document of a feed
	Service                  // the service document
	Kept                     // a copy of a document of a lost history
)

// Object is a document to write.
type Object struct {
	Key  string // path below the site, with slashes
	Kind Kind
	Body []byte // not compressed
	// Replaces is the tag of the stored object that it replaces. Empty means that it is written
	// only if there is none.
	Replaces string
}

// Stored is a document of a site.
type Stored struct {
	Body []byte // not compressed
	Tag  string // identifies these bytes in Object.Replaces
}

// ErrAbsent reports that there is no object with a key. It is wrapped.
var ErrAbsent = errors.New("there is no such object")

// Store holds the objects of a site: a folder, or a bucket.
//
// An error of a store that is unavailable may pass. One that needs an operator is an [OperatorError].
type Store interface {
	// Get returns an object, or ErrAbsent, wrapped.
	Get(ctx context.Context, key string) (Stored, error)
	// Put writes objects whose conditions hold, each as a whole or not at all, and returns when they
	// are durable. It returns the indexes of those whose conditions do not hold, in order. After an
	// error any of them may be written.
	Put(ctx context.Context, objects []Object) (refused []int, err error)
	// Delete deletes an object, if there is one.
	Delete(ctx context.Context, key string) error
}

// OperatorError is an error that does not pass by itself: wrong credentials, a bucket that does not
// exist, a store that ignores conditions.
type OperatorError struct {
	Err   error
	Usage bool   // the command or the settings are wrong, rather than the state of things
	Next  string // the next step; a sentence or a command
}

func (e *OperatorError) Error() string { return e.Err.Error() }

func (e *OperatorError) Unwrap() error { return e.Err }
