package entity

import (
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
)

// shape is what is known of a type.
type shape struct {
	digest string // 16 digits that differ for types with another JSON
	shares bool   // two copies of a value may share memory
	err    error  // names what encoding/json does not bring back
}

var shapes sync.Map // of shape, by reflect.Type

func lookUpShape(of reflect.Type) shape {
	if known, is := shapes.Load(of); is {
		return known.(shape)
	}
	var d describer
	d.describe(of, of.String())
	sum := sha256.Sum256([]byte(d.text.String()))
	known := shape{hex.EncodeToString(sum[:8]), d.shares, d.err}
	shapes.Store(of, known)
	return known
}

// shapeOf returns the digest of the shape of S, or an error that names a part of S that
// encoding/json does not bring back.
func shapeOf[S any]() (string, error) {
	s := lookUpShape(reflect.TypeFor[S]())
	return s.digest, s.err
}

// describer writes down how encoding/json writes a type.
type describer struct {
	text   strings.Builder
	within []reflect.Type // that are being described, for types that hold themselves
	shares bool
	err    error
}

func (d *describer) fail(path, why string) {
	if d.err == nil {
		d.err = fmt.Errorf("%s: %s, so a snapshot would lose it: change the type, give it MarshalJSON and UnmarshalJSON, or set SnapshotEvery to 0", path, why)
	}
}

func (d *describer) describe(of reflect.Type, path string) {
	for i, outer := range d.within {
		if outer == of {
			fmt.Fprintf(&d.text, "^%d", len(d.within)-i)
			return
		}
	}
	if d.hasMethods(of, path) {
		return
	}
	d.within = append(d.within, of)
	defer func() { d.within = d.within[:len(d.within)-1] }()
	switch of.Kind() {
	case reflect.Pointer, reflect.Slice:
		d.shares = true
		d.text.WriteString(of.Kind().String() + " ")
		d.describe(of.Elem(), path)
	case reflect.Array:
		fmt.Fprintf(&d.text, "[%d]", of.Len())
		d.describe(of.Elem(), path)
	case reflect.Map:
		d.shares = true
		d.text.WriteString("map ")
		d.describeKey(of.Key(), path)
		d.describe(of.Elem(), path)
	case reflect.Struct:
		d.text.WriteString("{")
		d.describeFields(of, path, make(map[string]bool))
		d.text.WriteString("}")
	case reflect.Interface, reflect.Func, reflect.Chan, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		d.shares = true
		d.fail(path, "encoding/json does not bring back a "+of.Kind().String())
	default:
		d.text.WriteString(of.Kind().String() + " ")
	}
}

// hasMethods reports whether a type reads and writes its own JSON.
func (d *describer) hasMethods(of reflect.Type, path string) bool {
	for _, pair := range [][2]reflect.Type{
		{reflect.TypeFor[json.Marshaler](), reflect.TypeFor[json.Unmarshaler]()},
		{reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextUnmarshaler]()},
	} {
		writes := of.Implements(pair[0]) || reflect.PointerTo(of).Implements(pair[0])
		reads := reflect.PointerTo(of).Implements(pair[1]) || of.Kind() == reflect.Pointer && of.Implements(pair[1])
		if !writes && !reads {
			continue
		}
		if writes != reads && of.Kind() != reflect.Interface {
			d.fail(path, "its type "+of.String()+" has one of "+pair[0].Name()+" and "+pair[1].Name()+" and not the other")
		}
		if of.Kind() == reflect.Interface {
			return false
		}
		d.shares = true // who knows
		d.text.WriteString(of.PkgPath() + "." + of.String() + " ")
		return true
	}
	return false
}

func (d *describer) describeKey(key reflect.Type, path string) {
	switch {
	case key.Kind() == reflect.String || key.Kind() >= reflect.Int && key.Kind() <= reflect.Uintptr:
		d.text.WriteString(key.Kind().String() + " ")
	case !d.hasMethods(key, path):
		d.fail(path, "encoding/json does not bring back keys of type "+key.String())
	}
}

// describeFields describes the fields of a struct, and those of structs embedded in it as
// if they were its own. The names are those of the fields so far.
func (d *describer) describeFields(of reflect.Type, path string, names map[string]bool) {
	for field := range of.Fields() {
		tag := field.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		at := path + "." + field.Name
		embedded := field.Type
		if embedded.Kind() == reflect.Pointer && field.IsExported() {
			embedded = embedded.Elem()
		}
		switch {
		case field.Name == "_":
		case tag == "-":
			d.fail(at, `its tag is json:"-"`)
		case field.Anonymous && name == "" && embedded.Kind() == reflect.Struct && !d.hasMethods(embedded, at):
			d.shares = d.shares || embedded != field.Type
			d.describeFields(embedded, at, names)
		case field.Type.Kind() == reflect.Map && strings.Contains(options, "omit"):
			d.fail(at, "an empty map comes back as nil, by the option of its tag")
		case !field.IsExported():
			d.fail(at, "it is not exported")
		default:
			if name == "" {
				name = field.Name
			}
			if names[name] {
				d.fail(at, "another field has the JSON name "+name)
			}
			names[name] = true
			fmt.Fprintf(&d.text, "%q ", name)
			d.describe(field.Type, at)
		}
	}
}
