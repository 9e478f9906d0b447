// Package policy reads AWS policy documents and says what they grant to whom.
//
// A policy is read as "Grammar of the IAM JSON policy language" in the IAM User Guide has it, and strictly: an element
// that the language does not have, or that stands there twice, is an error, as AWS would not take the document either.
// An example, the policy of a bucket:
//
//	{"Version": "2012-10-17", "Statement": [
//	    {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::logs/*"},
//	    {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*",
//	     "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]}
//
// Three kinds of question are answered of a Policy, which is immutable once it was parsed:
//
//   - what one request comes to: Authorize, with all policies that have a say;
//   - what somebody nobody named can do: Public, Outsiders, Unbound;
//   - what whoever carries the policy can do: Allows, Admin, Escalations.
//
// Sentences says the policy in words. An answer that would rest on something that is not understood, such as a
// condition key that nobody here has read about, is an error that says what, never a yes or no.
//
// Documents are hostile. A document has at most MaxBytes, and no question takes more than maxSteps steps.
package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/demarc/demarc/internal/jscan"
)

// MaxBytes is the longest policy that is read. AWS allows at most some 32 KB, for a key.
const MaxBytes = 64 << 10

// maxNesting is the deepest that objects and lists lie within each other; the language has six levels.
const maxNesting = 16

// Policy is a policy document. It is immutable and safe for concurrent use.
type Policy struct {
	statements []statement
}

type statement struct {
	sid          string
	deny         bool
	principal    *principals // nil: the statement names none, as in the policy of an identity
	notPrincipal bool        // everybody but these
	actions      []string    // patterns, in lower case
	notAction    bool        // everything but these
	written      []string    // actions as they are written, for words
	resources    []string    // patterns; none: the resource that the policy is attached to
	notResource  bool        // everything but these
	everywhere   bool        // what everyResource says, worked out once: each way to more permissions asks it
	conditions   []condition // all must hold
	variables    bool        // ${...} stands for a value of the request: version 2012-10-17
}

// principals are names by kind. The kinds are those of the language.
type principals struct {
	everybody bool // "*", alone or as AWS
	aws       []string
	services  []string
	federated []string
	canonical []string
}

// Parse reads a policy. The text may be URL-encoded, as the API of IAM returns it, or quoted as a JSON string.
func Parse(text string) (*Policy, error) {
	p, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	return p, nil
}

func parse(text string) (*Policy, error) {
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("it is longer than %d bytes", MaxBytes)
	}
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, `"`) {
		if err := json.Unmarshal([]byte(text), &text); err != nil {
			return nil, err
		}
	}
	if strings.HasPrefix(text, "%") {
		plain, err := url.PathUnescape(text)
		if err != nil {
			return nil, err
		}
		text = plain
	}
	root, err := decode([]byte(text))
	if err != nil {
		return nil, err
	}
	doc, ok := root.(object)
	if !ok {
		return nil, errors.New("it is no object")
	}
	var p Policy
	var statements any
	version := ""
	for _, m := range doc {
		switch strings.ToLower(m.name) {
		case "statement":
			statements = m.value
		case "version":
			version, ok = m.value.(string)
			if !ok || version != "2012-10-17" && version != "2008-10-17" {
				return nil, errors.New("its Version is none of the language's")
			}
		case "id":
		default:
			return nil, fmt.Errorf("it has an element %q that the language does not have", m.name)
		}
	}
	switch s := statements.(type) {
	case nil:
		return nil, errors.New("it has no Statement")
	case object:
		statements = []any{s}
	}
	list, ok := statements.([]any)
	if !ok {
		return nil, errors.New("its Statement is no list")
	}
	for i, raw := range list {
		s, err := parseStatement(raw)
		if err != nil {
			return nil, fmt.Errorf("statement %d: %w", i+1, err)
		}
		s.variables = version == "2012-10-17"
		s.everywhere = s.everyResource()
		p.statements = append(p.statements, s)
	}
	return &p, nil
}

func parseStatement(raw any) (statement, error) {
	var s statement
	o, ok := raw.(object)
	if !ok {
		return s, errors.New("it is no object")
	}
	seen := map[string]bool{}
	for _, m := range o {
		name := strings.ToLower(m.name)
		seen[name] = true
		var err error
		switch name {
		case "sid":
			s.sid, _ = m.value.(string)
		case "effect":
			switch m.value {
			case "Allow":
			case "Deny":
				s.deny = true
			default:
				err = fmt.Errorf("its Effect is %v", m.value)
			}
		case "principal", "notprincipal":
			s.notPrincipal = name == "notprincipal"
			s.principal, err = parsePrincipals(m.value)
		case "action", "notaction":
			s.notAction = name == "notaction"
			s.written, err = texts(m.value)
			for _, a := range s.written {
				s.actions = append(s.actions, strings.ToLower(a))
			}
		case "resource", "notresource":
			s.notResource = name == "notresource"
			s.resources, err = texts(m.value)
		case "condition":
			s.conditions, err = parseConditions(m.value)
		default:
			err = errors.New("the language has no such element")
		}
		if err != nil {
			return s, fmt.Errorf("%s: %w", m.name, err)
		}
	}
	switch {
	case !seen["effect"]:
		return s, errors.New("it has no Effect")
	case len(s.actions) == 0:
		return s, errors.New("it has no Action")
	case seen["action"] && seen["notaction"], seen["resource"] && seen["notresource"], seen["principal"] && seen["notprincipal"]:
		return s, errors.New("it has an element and the Not of it")
	case s.notResource && len(s.resources) == 0:
		return s, errors.New("its NotResource is empty")
	}
	return s, nil
}

func parsePrincipals(raw any) (*principals, error) {
	p := &principals{}
	if raw == "*" {
		p.everybody = true
		return p, nil
	}
	if name, ok := raw.(string); ok { // an account or ARN without its kind, which AWS takes for kind AWS
		p.aws = []string{name}
		return p, nil
	}
	o, ok := raw.(object)
	if !ok {
		return nil, errors.New(`neither "*" nor names by kind`)
	}
	for _, m := range o {
		names, err := texts(m.value)
		if err != nil {
			return nil, err
		}
		switch strings.ToLower(m.name) {
		case "aws":
			for _, n := range names {
				if n == "*" {
					p.everybody = true
				} else {
					p.aws = append(p.aws, n)
				}
			}
		case "service":
			p.services = append(p.services, names...)
		case "federated":
			p.federated = append(p.federated, names...)
		case "canonicaluser":
			p.canonical = append(p.canonical, names...)
		default:
			return nil, fmt.Errorf("no kind of principal is called %q", m.name)
		}
	}
	return p, nil
}

// texts returns a string, or a list of strings, as a list. Booleans and numbers, which conditions may hold, are
// taken as they are written.
func texts(raw any) ([]string, error) {
	list, ok := raw.([]any)
	if !ok {
		list = []any{raw}
	}
	out := make([]string, 0, len(list))
	for _, v := range list {
		switch v := v.(type) {
		case string:
			out = append(out, v)
		case json.Number:
			out = append(out, v.String())
		case bool:
			out = append(out, fmt.Sprint(v))
		default:
			return nil, errors.New("something stands where a string is wanted")
		}
	}
	return out, nil
}

// object is a JSON object in its order. No two members have one name, whatever the case: which of them counts is
// not for us to say.
type object []member

type member struct {
	name  string
	value any
}

// decode reads one JSON value.
func decode(text []byte) (any, error) {
	if err := jscan.Valid(text); err != nil {
		return nil, err
	}
	return decodeValue(bytes.TrimSpace(text), 0)
}

// decodeValue decodes JSON that is valid.
func decodeValue(raw []byte, depth int) (any, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("it is nested more than %d levels deep", maxNesting)
	}
	var err error
	switch raw[0] {
	case '{':
		var o object
		var seen map[string]bool // in lower case, of an object with many members
		jscan.Members(raw, func(name string, value []byte) bool {
			var twice bool
			if len(o) < 16 {
				twice = slices.ContainsFunc(o, func(m member) bool { return strings.EqualFold(m.name, name) })
			} else {
				if seen == nil {
					seen = map[string]bool{}
					for _, m := range o {
						seen[strings.ToLower(m.name)] = true
					}
				}
				twice = seen[strings.ToLower(name)]
				seen[strings.ToLower(name)] = true
			}
			if twice {
				err = fmt.Errorf("%q stands there twice", name)
				return false
			}
			m := member{name: name}
			m.value, err = decodeValue(value, depth+1)
			o = append(o, m)
			return err == nil
		})
		return o, err
	case '[':
		list := []any{}
		jscan.Elements(raw, func(value []byte) bool {
			var v any
			v, err = decodeValue(value, depth+1)
			list = append(list, v)
			return err == nil
		})
		return list, err
	case '"':
		s, _ := jscan.IsString(raw)
		return s, nil
	case 't', 'f':
		return raw[0] == 't', nil
	case 'n':
		return nil, nil
	default:
		return json.Number(raw), nil
	}
}
