package rulebook

import (
	"fmt"
	"slices"
	"strings"
)

// Path says where a fact lies in a document. It is a list of alternatives, of which the first that is present counts.
//
//	path  = alt { "|" alt } | "$"                            "$" is the document itself
//	alt   = name "(" path ")" [ "." steps ] | steps          name = json, set, size
//	steps = step { "." step }
//	step  = key { "[]" | "[" key "=" value "]" }
//	key   = letters, digits, "-", "_", "$", "@", "/", or anything in double quotes
//
// Example: json(configuration.policy).Statement[].Action|policyText
type Path []Alternative

// Alternative is one way to a value: plain keys, which the one forward pass follows, then the steps that need the
// value in hand, then what is asked of it.
type Alternative struct {
	Keys  []string
	Rest  []Step
	Asked Question
}

// Question is what is asked of the value at a path.
type Question uint8

// The questions: the value itself, whether it is set, how many elements it has.
const (
	TheValue Question = iota
	WhetherSet
	HowMany
)

// Step is one step behind the plain keys.
type Step struct {
	Kind  StepKind
	Key   string // of StepKey and StepPick
	Value string // of StepPick
}

// StepKind says what a step does.
type StepKind uint8

// The steps: a key, each element of a list, the element whose Key is Value, the JSON in a string.
const (
	StepKey StepKind = iota
	StepEach
	StepPick
	StepJSON
)

// Names returns the keys of the alternative, without what else its steps do.
func (a Alternative) Names() []string {
	out := slices.Clone(a.Keys)
	for _, s := range a.Rest {
		if s.Kind == StepKey {
			out = append(out, s.Key)
		}
	}
	return out
}

// itself reports whether the path may lead to the name of the resource that it is a path of.
func (p Path) itself() bool {
	return slices.ContainsFunc(p, func(a Alternative) bool { return a.String() == "@" })
}

// Gathers reports whether the path may find more than one value.
func (p Path) Gathers() bool {
	for _, a := range p {
		for _, s := range a.Rest {
			if s.Kind == StepEach {
				return true
			}
		}
	}
	return false
}

// String is the path as it may be written in the catalog.
func (p Path) String() string {
	alternatives := make([]string, len(p))
	for i, a := range p {
		alternatives[i] = a.String()
	}
	return strings.Join(alternatives, "|")
}

// String is the alternative as it may be written in the catalog.
func (a Alternative) String() string {
	text := ""
	for _, k := range a.Keys {
		text = beside(text, written(k))
	}
	for _, s := range a.Rest {
		switch s.Kind {
		case StepKey:
			text = beside(text, written(s.Key))
		case StepEach:
			text += "[]"
		case StepPick:
			value := s.Value
			if strings.ContainsAny(value, `]"`) {
				value = `"` + value + `"`
			}
			text += "[" + written(s.Key) + "=" + value + "]"
		case StepJSON:
			text = "json(" + text + ")"
		}
	}
	if text == "" {
		text = "$"
	}
	switch a.Asked {
	case TheValue:
	case WhetherSet:
		return "set(" + text + ")"
	case HowMany:
		return "size(" + text + ")"
	}
	return text
}

func beside(text, key string) string {
	if text == "" {
		return key
	}
	return text + "." + key
}

// written is a key, in quotes where it has other than plain characters.
func written(key string) string {
	for i := range len(key) {
		if !isKeyByte(key[i]) {
			return `"` + key + `"`
		}
	}
	if key == "" || key == "$" {
		return `"` + key + `"`
	}
	return key
}

// ParsePath parses the text of a path. The error names the byte.
func ParsePath(text string) (Path, error) {
	if text == "$" {
		return Path{{}}, nil
	}
	p := pathParser{text: text}
	path, err := p.path()
	if err == nil && p.pos < len(text) {
		err = p.errorf("'.', '[', '|' or the end")
	}
	if err != nil {
		return nil, err
	}
	return path, nil
}

type pathParser struct {
	text string
	pos  int
}

func (p *pathParser) errorf(expected string) error {
	return fmt.Errorf("path %q, byte %d: expected %s", p.text, p.pos+1, expected)
}

func (p *pathParser) take(s string) bool {
	if strings.HasPrefix(p.text[p.pos:], s) {
		p.pos += len(s)
		return true
	}
	return false
}

func (p *pathParser) path() (Path, error) {
	var out Path
	for {
		alts, err := p.alternative()
		if err != nil {
			return nil, err
		}
		out = append(out, alts...)
		if !p.take("|") {
			return out, nil
		}
	}
}

func (p *pathParser) alternative() (Path, error) {
	asked := TheValue
	switch {
	case p.take("set("):
		asked = WhetherSet
	case p.take("size("):
		asked = HowMany
	}
	if asked != TheValue {
		inner, err := p.inner()
		for i := range inner {
			inner[i].Asked = asked
		}
		return inner, err
	}
	if p.take("json(") {
		inner, err := p.inner()
		if err != nil {
			return nil, err
		}
		var rest []Step
		if p.take(".") {
			if rest, err = p.steps(); err != nil {
				return nil, err
			}
		}
		for i := range inner {
			inner[i].Rest = append(append(inner[i].Rest, Step{Kind: StepJSON}), rest...)
		}
		return inner, nil
	}
	steps, err := p.steps()
	if err != nil {
		return nil, err
	}
	var a Alternative
	for len(steps) > 0 && steps[0].Kind == StepKey {
		a.Keys = append(a.Keys, steps[0].Key)
		steps = steps[1:]
	}
	a.Rest = steps
	return Path{a}, nil
}

func (p *pathParser) inner() (Path, error) {
	inner, err := p.path()
	if err == nil && !p.take(")") {
		err = p.errorf("')'")
	}
	return inner, err
}

func (p *pathParser) steps() ([]Step, error) {
	var out []Step
	for {
		key, err := p.key()
		if err != nil {
			return nil, err
		}
		out = append(out, Step{Kind: StepKey, Key: key})
		for p.take("[") {
			if p.take("]") {
				out = append(out, Step{Kind: StepEach})
				continue
			}
			key, err := p.key()
			if err != nil {
				return nil, err
			}
			if !p.take("=") {
				return nil, p.errorf("'='")
			}
			value, err := p.value()
			if err != nil {
				return nil, err
			}
			out = append(out, Step{Kind: StepPick, Key: key, Value: value})
		}
		if !p.take(".") {
			return out, nil
		}
	}
}

// value takes the value of a pick and its closing bracket.
func (p *pathParser) value() (string, error) {
	if strings.HasPrefix(p.text[p.pos:], `"`) {
		value, err := p.key()
		if err == nil && !p.take("]") {
			err = p.errorf("']'")
		}
		return value, err
	}
	end := strings.IndexByte(p.text[p.pos:], ']')
	if end < 0 {
		return "", p.errorf("']'")
	}
	value := p.text[p.pos : p.pos+end]
	p.pos += end + 1
	return value, nil
}

func (p *pathParser) key() (string, error) {
	if p.take(`"`) {
		end := strings.IndexByte(p.text[p.pos:], '"')
		if end < 0 {
			return "", p.errorf("'\"'")
		}
		key := p.text[p.pos : p.pos+end]
		p.pos += end + 1
		return key, nil
	}
	start := p.pos
	for p.pos < len(p.text) && isKeyByte(p.text[p.pos]) {
		p.pos++
	}
	if p.pos == start {
		return "", p.errorf("a key")
	}
	return p.text[start:p.pos], nil
}

func isKeyByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_$@/:#", c) >= 0 || c >= 0x80
}

// Template is the text of an id with places for values: "arn:{partition}:ec2:{region}:{account}:instance/{InstanceId}".
// A text without braces is a path, and stands for its value.
type Template []TemplatePart

// TemplatePart is literal text, a value of the surroundings (account, region, partition), or a path.
type TemplatePart struct {
	Literal     string
	Surrounding string
	Path        Path
}

// ParseTemplate parses the text of an identity.
func ParseTemplate(text string) (Template, error) {
	if !strings.Contains(text, "{") {
		p, err := ParsePath(text)
		return Template{{Path: p}}, err
	}
	var t Template
	for text != "" {
		open := strings.IndexByte(text, '{')
		if open != 0 {
			if open < 0 {
				open = len(text)
			}
			t = append(t, TemplatePart{Literal: text[:open]})
			text = text[open:]
			continue
		}
		end := strings.IndexByte(text, '}')
		if end < 0 {
			return nil, fmt.Errorf("template %q: expected '}'", text)
		}
		switch name := text[1:end]; name {
		case "account", "region", "partition":
			t = append(t, TemplatePart{Surrounding: name})
		default:
			p, err := ParsePath(name)
			if err != nil {
				return nil, err
			}
			t = append(t, TemplatePart{Path: p})
		}
		text = text[end+1:]
	}
	return t, nil
}
