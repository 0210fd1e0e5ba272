package projection

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/eventfeed/eventfeed/internal/rowsettings"
)

// Reasons for which a statement about settings is refused.
const (
	beyondSetup = "takes effect in later sessions only, so that the next run would not be as this one; set it outside of the file, before the first run"
	// OtherEvents is the reason for which a block may not change a setting.
	OtherEvents = "lasts until the end of the transaction, which holds other events, too, so that rows would depend on how many; " +
		"let a function have it (CREATE FUNCTION … SET …)"
	notUTF8      = "the file and the events are UTF-8"
	temporary    = "what is temporary goes with the connection, so that the next run would not have it"
	notTrue      = "its third argument must be true, or the setting would outlast the transaction on a connection that others use"
	ofPsql       = "is a command of psql; remove the line"
	otherSession = "is about the session, which is not the file's"
)

// localize refuses a statement whose changes to the session last longer than the transaction.
// In the setup it limits SET and set_config, as pg_dump writes them, to the setup. It returns
// the tokens to run.
func localize(tokens []token, inSetup bool) ([]token, error) {
	code := slices.DeleteFunc(slices.Clone(tokens), func(t token) bool { return isBlank(t.kind) })
	switch first := word(code, 0); {
	case strings.HasPrefix(code[0].text, `\`):
		return nil, errors.New(ofPsql)
	case first == "ALTER" && slices.Contains([]string{"ROLE", "USER", "DATABASE", "SYSTEM"}, word(code, 1)) && (hasWord(code, "SET") || hasWord(code, "RESET")):
		return nil, errors.New(beyondSetup)
	case inSetup && first == "CREATE" && isTemporary(code) && !hasWord(code, "DROP"): // ON COMMIT DROP
		return nil, errors.New(temporary)
	case first == "SET":
		return localizeSet(tokens, code, inSetup)
	}
	return localizeSetConfig(tokens, code, inSetup)
}

// isTemporary reports whether a statement is CREATE [OR REPLACE] [GLOBAL] TEMP ….
func isTemporary(code []token) bool {
	head := code[:min(len(code), 5)]
	return hasWord(head, "TEMP") || hasWord(head, "TEMPORARY")
}

// localizeSet is localize for SET.
func localizeSet(tokens, code []token, inSetup bool) ([]token, error) {
	local := word(code, 1) == "LOCAL"
	switch word(code, 1) {
	case "CONSTRAINTS":
		return tokens, nil
	case "LOCAL", "SESSION":
		code = code[1:]
	}
	if !local && !inSetup {
		return nil, errors.New(outlasts)
	}
	if slices.Contains([]string{"AUTHORIZATION", "CHARACTERISTICS", "ROLE", "TRANSACTION"}, word(code, 1)) {
		return nil, errors.New(otherSession)
	}
	name, value := settingOf(code[1:])
	if err := checkSetting(name, value, inSetup); err != nil {
		return nil, err
	}
	if local {
		return tokens, nil
	}
	out := slices.Clone(tokens)
	out[0].text += " LOCAL"
	return slices.DeleteFunc(out, func(t token) bool { return t.kind == kindWord && strings.EqualFold(t.text, "SESSION") }), nil
}

// settingOf returns the name of the setting, and its value if that is one word.
func settingOf(code []token) (name, value string) {
	if word(code, 0) == "TIME" {
		return "timezone", ""
	}
	if word(code, 0) == "NAMES" {
		return "client_encoding", unquoted(code, 1)
	}
	return strings.ToLower(unquoted(code, 0)), unquoted(code, 2)
}

func checkSetting(name, value string, inSetup bool) error {
	switch {
	case name == "client_encoding" && !slices.Contains([]string{"UTF8", "UTF-8", "UNICODE"}, strings.ToUpper(value)):
		return fmt.Errorf("%s: %s", name, notUTF8)
	case !inSetup && rowsettings.Has(name):
		return fmt.Errorf("%s %s", name, OtherEvents)
	}
	return nil
}

// localizeSetConfig is localize for calls of set_config.
func localizeSetConfig(tokens, code []token, inSetup bool) ([]token, error) {
	for i := range code {
		if !callsSetConfig(code, i) {
			continue
		}
		arguments := argumentsOf(code[i+2:])
		if len(arguments) != 3 || len(arguments[2]) != 1 {
			return nil, fmt.Errorf("set_config: %s", notTrue)
		}
		name, value := strings.ToLower(unquoted(arguments[0], 0)), unquoted(arguments[1], 0)
		if err := checkSetting(name, value, inSetup); err != nil {
			return nil, err
		}
		last := arguments[2][0]
		switch {
		case strings.EqualFold(last.text, "true"):
		case inSetup && strings.EqualFold(last.text, "false"):
			tokens = slices.Clone(tokens)
			tokens[slices.IndexFunc(tokens, func(t token) bool { return t.at == last.at })].text = "true"
		default:
			return nil, fmt.Errorf("set_config: %s", notTrue)
		}
	}
	return tokens, nil
}

// argumentsOf returns the tokens of each argument of a call, up to its closing parenthesis; nil
// if that is missing.
func argumentsOf(code []token) (all [][]token) {
	depth := 0
	var argument []token
	for _, t := range code {
		switch {
		case t.kind == kindClose && depth == 0:
			return append(all, argument)
		case t.text == "," && depth == 0:
			all, argument = append(all, argument), nil
			continue
		case t.kind == kindOpen:
			depth++
		case t.kind == kindClose:
			depth--
		}
		argument = append(argument, t)
	}
	return nil
}

// word returns the token at index i in upper case, if it is a word; otherwise an empty string.
func word(code []token, i int) string {
	if i >= len(code) || code[i].kind != kindWord {
		return ""
	}
	return strings.ToUpper(code[i].text)
}

func hasWord(code []token, w string) bool {
	return slices.ContainsFunc(code, func(t token) bool { return t.kind == kindWord && strings.EqualFold(t.text, w) })
}

// unquoted returns the token at index i without its quotes.
func unquoted(code []token, i int) string {
	if i >= len(code) {
		return ""
	}
	return strings.Trim(code[i].text, `'"`)
}

// callsSetConfig reports whether a call of set_config begins at index i.
func callsSetConfig(code []token, i int) bool {
	named := word(code, i) == "SET_CONFIG" || code[i].kind == kindName && strings.EqualFold(unquoted(code, i), "set_config")
	return named && i+1 < len(code) && code[i+1].text == "("
}
