package entity

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestStateThatJSONLosesIsRefusedByItsField(t *testing.T) {
	t.Parallel()
	type inner struct{ hidden int }
	for name, check := range map[string]func() error{
		"X.total": shapeErr[struct{ X struct{ total int } }],
		"Any":     shapeErr[struct{ Any any }],
		"Func":    shapeErr[struct{ Func func() }],
		"Left": shapeErr[struct {
			Left int `json:"-"`
		}],
		"List.hidden": shapeErr[struct{ List []inner }],
		"ID": shapeErr[struct {
			base
			ID string
		}],
		"Map": shapeErr[struct {
			Map map[string]int `json:"m,omitempty"`
		}],
		"Complex": shapeErr[struct{ Complex complex128 }],
		"Half":    shapeErr[struct{ Half onlyWrites }],
	} {
		if err := check(); err == nil || !strings.Contains(err.Error(), "."+name+":") {
			t.Errorf("%s: %v", name, err)
		}
	}
	_ = inner{}.hidden
	for name, check := range map[string]func() error{
		"plain":    shapeErr[struct{ A, B int }],
		"time":     shapeErr[struct{ At time.Time }],
		"raw":      shapeErr[struct{ Data json.RawMessage }],
		"itself":   shapeErr[tree],
		"embedded": shapeErr[struct{ base }],
		"map":      shapeErr[map[string][]*int],
	} {
		if err := check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type base struct{ ID string }

type tree struct{ Children []tree }

type onlyWrites struct{}

func (onlyWrites) MarshalJSON() ([]byte, error) { return []byte("0"), nil }

func shapeErr[S any]() error {
	_, err := shapeOf[S]()
	return err
}

func TestShapesDifferAsTheirJSON(t *testing.T) {
	t.Parallel()
	type one struct {
		A int `json:"a"`
	}
	type same struct {
		B int `json:"a"`
	}
	type other struct {
		A string `json:"a"`
	}
	of := func(digest string, err error) string {
		if err != nil {
			t.Error(err)
		}
		return digest
	}
	first := of(shapeOf[one]())
	if of(shapeOf[same]()) != first {
		t.Error("the name of a type or field that JSON does not have makes another shape")
	}
	if of(shapeOf[other]()) == first || of(shapeOf[[]one]()) == first || of(shapeOf[tree]()) == of(shapeOf[base]()) {
		t.Error("two types with another JSON have one shape")
	}
}
