package projection

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
)

// schemaLine matches the line that names the dataschemas a block is written for:
//
//	-- dataschema https://shop.example/order/1.json https://shop.example/order/2.json
//
// It is only checked if strict is set, so that production does not stop where a test would.
var schemaLine = regexp.MustCompile(`^--[ \t]*(?i:dataschema)(?:[ \t:]+(.*))?$`)

// noSchema is the word for events without a dataschema. It is no URI, because it has no scheme.
const noSchema = "none"

// takesSchemas reports whether the parser is between the head of a block and its first statement,
// where a line names dataschemas.
func (p *parser) takesSchemas() bool {
	return p.afterHead && len(p.tokens) == 0 && len(p.projection.blocks[len(p.projection.blocks)-1].statements) == 0
}

// dataSchema adds the dataschemas of a line to the last block. Anywhere else such a line is a
// comment, unless it looks like one that was misplaced.
func (p *parser) dataSchema(list string) error {
	schemas, err := parseSchemas(list)
	switch {
	case p.takesSchemas() && err != nil:
		return err
	case p.takesSchemas():
		last := &p.projection.blocks[len(p.projection.blocks)-1]
		last.schemas, last.schemaLine = append(last.schemas, schemas...), p.line
	case err == nil:
		return errors.New("a line -- dataschema comes right after the line -- on TYPE of its block, before the first statement")
	}
	return nil
}

// parseSchemas parses one or several dataschemas with spaces between them.
func parseSchemas(list string) (schemas []string, err error) {
	const form = "a line -- dataschema names one URI or several, with spaces between them; the word none stands for events without one"
	for schema := range strings.FieldsSeq(list) {
		switch {
		case schema == noSchema:
			schema = ""
		case !cloudevents.IsURI(schema) || strings.HasSuffix(schema, ","): // a comma may be part of a URI, but is hardly meant as one at its end
			return nil, fmt.Errorf("%.80q is no URI: %s", schema, form)
		}
		schemas = append(schemas, schema)
	}
	if len(schemas) == 0 {
		return nil, errors.New(form)
	}
	return schemas, nil
}

// checkSchema returns an error if the block is written for other dataschemas than the event's.
func (b *block) checkSchema(file string, e *event.Delivered) error {
	if len(b.schemas) == 0 || slices.Contains(b.schemas, e.DataSchema) {
		return nil
	}
	return fmt.Errorf("%s:%d: type %s has the dataschema %s, which --strict refuses: the block is for %s; change its SQL if it must, then add the dataschema to that line",
		file, b.schemaLine, e.Type, schemaWord(e.DataSchema), strings.Join(schemaWords(b.schemas), " "))
}

func schemaWord(schema string) string {
	if schema == "" {
		return noSchema
	}
	return schema
}

func schemaWords(schemas []string) []string {
	words := make([]string, len(schemas))
	for i, schema := range schemas {
		words[i] = schemaWord(schema)
	}
	return words
}
