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
	"unicode/utf8"
	"unsafe"

	"github.com/demarc/demarc/internal/jscan"
)

// MaxBytes is the longest policy that is read. AWS allows at most some 32 KB, for a key.
const MaxBytes = 64 << 10

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
		var inner string
		if err := json.Unmarshal([]byte(text), &inner); err != nil {
			return nil, err
		}
		text = inner
	}
	if strings.HasPrefix(text, "%") {
		plain, err := url.PathUnescape(text)
		if err != nil {
			return nil, err
		}
		text = plain
	}
	text = strings.TrimSpace(text)
	raw := unsafe.Slice(unsafe.StringData(text), len(text)) //nolint:gosec // nobody writes to it
	if err := jscan.Valid(raw); err != nil {
		return nil, err
	}
	var p Policy
	var statements []byte
	variables := false
	err := members(raw, func(name string, value []byte) error {
		switch {
		case strings.EqualFold(name, "Statement"):
			statements = value
		case strings.EqualFold(name, "Version"):
			version, _ := stringOf(value)
			if variables = version == "2012-10-17"; !variables && version != "2008-10-17" {
				return errors.New("its Version is none of the language's")
			}
		case strings.EqualFold(name, "Id"):
		default:
			return fmt.Errorf("it has an element %q that the language does not have", name)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if jscan.IsNull(statements) {
		return nil, errors.New("it has no Statement")
	}
	t := texts{all: make([]string, 0, bytes.Count(statements, quote)/2)}
	t.lowered.Grow(len(statements) / 4)
	p.statements = make([]statement, 0, min(bytes.Count(statements, []byte("Effect")), 64))
	err = each(statements, '{', func(value []byte) error {
		s, err := t.statement(value)
		if err != nil {
			return fmt.Errorf("statement %d: %w", len(p.statements)+1, err)
		}
		s.variables = variables
		s.everywhere = s.everyResource()
		p.statements = append(p.statements, s)
		return nil
	})
	if errors.Is(err, errNotThere) {
		err = errors.New("its Statement is no list")
	}
	if err != nil {
		return nil, err
	}
	return &p, nil
}

// element is a member of a statement.
type element uint16

const (
	sid element = 1 << iota
	effect
	principal
	notPrincipal
	action
	notAction
	resource
	notResource
	conditionElement
)

var elements = [...]struct {
	name string
	is   element
}{
	{"Effect", effect},
	{"Action", action},
	{"Resource", resource},
	{"Principal", principal},
	{"Condition", conditionElement},
	{"Sid", sid},
	{"NotAction", notAction},
	{"NotResource", notResource},
	{"NotPrincipal", notPrincipal},
}

// elementOf returns the element of a name, whatever its case; 0 for none.
func elementOf(name string) element {
	for i := range elements {
		if strings.EqualFold(elements[i].name, name) {
			return elements[i].is
		}
	}
	return 0
}

func (t *texts) statement(raw []byte) (statement, error) {
	var s statement
	var seen element
	err := members(raw, func(name string, value []byte) error {
		is := elementOf(name)
		seen |= is
		var err error
		switch is {
		case sid:
			s.sid, _ = stringOf(value)
		case effect:
			text, ok := stringOf(value)
			if !ok {
				text = string(value)
			}
			if s.deny = text == "Deny"; !s.deny && text != "Allow" {
				err = fmt.Errorf("its Effect is %.100s", text)
			}
		case principal, notPrincipal:
			s.notPrincipal = is == notPrincipal
			s.principal, err = t.principals(value)
		case action, notAction:
			s.notAction = is == notAction
			s.written, err = t.list(value)
			s.actions = t.lower(s.written)
		case resource, notResource:
			s.notResource = is == notResource
			s.resources, err = t.list(value)
		case conditionElement:
			s.conditions, err = t.conditions(value)
		default:
			err = errors.New("the language has no such element")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	})
	both := func(a, b element) bool { return seen&a != 0 && seen&b != 0 }
	switch {
	case err != nil:
		return s, err
	case seen&effect == 0:
		return s, errors.New("it has no Effect")
	case len(s.actions) == 0:
		return s, errors.New("it has no Action")
	case both(action, notAction), both(resource, notResource), both(principal, notPrincipal):
		return s, errors.New("it has an element and the Not of it")
	case s.notResource && len(s.resources) == 0:
		return s, errors.New("its NotResource is empty")
	}
	return s, nil
}

func (t *texts) principals(raw []byte) (*principals, error) {
	p := &principals{}
	if name, ok := stringOf(raw); ok {
		if name == "*" {
			p.everybody = true
		} else {
			p.aws = []string{name} // an account or ARN without its kind, which AWS takes for kind AWS
		}
		return p, nil
	}
	if raw[0] != '{' {
		return nil, errors.New(`neither "*" nor names by kind`)
	}
	err := members(raw, func(kind string, value []byte) error {
		names, err := t.list(value)
		if err != nil {
			return err
		}
		switch {
		case strings.EqualFold(kind, "AWS"):
			p.aws = slices.DeleteFunc(names, func(n string) bool { return n == "*" })
			p.everybody = len(p.aws) < len(names)
		case strings.EqualFold(kind, "Service"):
			p.services = names
		case strings.EqualFold(kind, "Federated"):
			p.federated = names
		case strings.EqualFold(kind, "CanonicalUser"):
			p.canonical = names
		default:
			return fmt.Errorf("no kind of principal is called %q", kind)
		}
		return nil
	})
	return p, err
}

// texts makes the lists of texts of one policy. They lie behind each other in memory, and so does what they are in lower case.
type texts struct {
	all     []string
	lowered strings.Builder
}

var quote = []byte{'"'}

// list returns a string, or a list of strings, as a list. Booleans and numbers, which conditions may hold, are
// taken as they are written.
func (t *texts) list(raw []byte) ([]string, error) {
	from := len(t.all)
	err := each(raw, 0, func(value []byte) error {
		s, ok := stringOf(value)
		switch {
		case ok:
		case value[0] == '{' || value[0] == '[' || value[0] == 'n':
			return errors.New("something stands where a string is wanted")
		default:
			s = view(value)
		}
		t.all = append(t.all, s)
		return nil
	})
	return slices.Clip(t.all[from:]), err
}

// lower returns a list in lower case.
func (t *texts) lower(list []string) []string {
	from := len(t.all)
	for _, s := range list {
		t.all = append(t.all, t.lowerOne(s))
	}
	return slices.Clip(t.all[from:])
}

func (t *texts) lowerOne(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return strings.ToLower(s)
	}
	from := t.lowered.Len()
	for i := range len(s) {
		c := s[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		t.lowered.WriteByte(c)
	}
	return t.lowered.String()[from:]
}

// errNotThere says that there is neither one of something nor a list of them.
var errNotThere = errors.New("neither one nor a list")

// each visits the elements of a list, or the one value that may stand for a list of one: an object if first is '{', anything
// if it is 0.
func each(raw []byte, first byte, visit func(value []byte) error) error {
	if raw[0] != '[' {
		if first != 0 && raw[0] != first {
			return errNotThere
		}
		return visit(raw)
	}
	var err error
	jscan.Elements(raw, func(value []byte) bool {
		err = visit(value)
		return err == nil
	})
	return err
}

// members visits the members of an object. No two may have one name, whatever the case: which of them counts is not for us
// to say.
func members(raw []byte, visit func(name string, value []byte) error) error {
	if raw[0] != '{' {
		return errors.New("it is no object")
	}
	const few = 16
	var names [few]string
	var many map[string]bool // in lower case
	n := 0
	var err error
	jscan.RawMembers(raw, func(key, value []byte) bool {
		name := view(key)
		twice := slices.ContainsFunc(names[:min(n, few)], func(other string) bool { return strings.EqualFold(other, name) })
		if n < few {
			names[n] = name
		} else {
			if many == nil {
				many = map[string]bool{}
			}
			low := strings.ToLower(name)
			twice = twice || many[low]
			many[low] = true
		}
		n++
		if twice {
			err = fmt.Errorf("%q stands there twice", name)
			return false
		}
		err = visit(name, value)
		return err == nil
	})
	return err
}

// stringOf returns the text of a JSON string.
func stringOf(raw []byte) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	return view(jscan.Unquote(raw[1 : len(raw)-1])), true
}

// view is b as a string, without copying it: nobody writes to the text of a policy.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) } //nolint:gosec // see above
