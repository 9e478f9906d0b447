package generate

import (
	"embed"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:embed shapes/*.txt
var shapeFiles embed.FS

// shape is what the documents of one kind look like.
type shape struct {
	number     int // in its set
	name       string
	weight     int // share of the estate, in no unit
	once       bool
	single     bool // a page holds one
	values     map[string][]op
	file       []op // name of a file of its own, nil for that of the set
	head, tail []op // around a page of its own
	body       []op
}

// shapeSet is how one format looks.
//
//	set    = { line } { shape }
//	line   = key " " text
//	shape  = "-- " name " " weight { " " flag } NL { "@" key " " text NL } body
//
// Lines that begin with # are comments; line breaks and indentation are left out. The keys of a set: regions, limit
// (resources in one scope), page (resources in one file; then each shape has files of its own), file, head, sep, tail, before
// and after (each document), let NAME. Keys of a shape are file, head and tail; others, and let, are what «value KEY» runs.
// The flags: once (in a scope), single (in a page), and related, plain, policies for the mixes that it belongs to.
type shapeSet struct {
	shapes           []*shape
	regions          []string
	limit, page      int
	apart            bool
	sep              string
	file, head, tail []op
	before, after    []op
	values           map[string][]op
	mixes            [][]string // per shape
	index            map[string]int
}

var shapeSets sync.Map // Format to func() (*shapeSet, error)

func shapesOf(f Format) (*shapeSet, error) {
	load, _ := shapeSets.LoadOrStore(f, sync.OnceValues(func() (*shapeSet, error) {
		text, err := shapeFiles.ReadFile("shapes/" + string(f) + ".txt")
		if err != nil {
			return nil, fmt.Errorf("format %q: there is none", f)
		}
		s, err := parseShapes(string(text))
		if err != nil {
			return nil, fmt.Errorf("shapes of %s: %w", f, err)
		}
		return s, nil
	}))
	return load.(func() (*shapeSet, error))()
}

// section is a shape before its templates are compiled.
type section struct {
	line int
	text map[string]string
	body strings.Builder
}

func parseShapes(text string) (*shapeSet, error) {
	set := &shapeSet{limit: 1 << 30, page: 1 << 30, sep: ",", regions: []string{""}, index: map[string]int{}, values: map[string][]op{}}
	top := &section{text: map[string]string{}}
	var sections []*section
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "-- "):
			f := strings.Fields(line)
			if len(f) < 3 {
				return nil, fmt.Errorf("line %d: expected a name and a weight", n+1)
			}
			weight, err := strconv.Atoi(f[2])
			if err != nil {
				return nil, fmt.Errorf("line %d: weight: %w", n+1, err)
			}
			set.index[f[1]] = len(set.shapes)
			set.shapes = append(set.shapes, &shape{
				number: len(set.shapes), name: f[1], weight: weight, values: map[string][]op{},
				once: slices.Contains(f[3:], "once"), single: slices.Contains(f[3:], "single"),
			})
			set.mixes = append(set.mixes, f[3:])
			sections = append(sections, &section{line: n + 1, text: map[string]string{}})
		case len(sections) == 0:
			key, value, _ := strings.Cut(line, " ")
			if key == "let" {
				var name string
				name, value, _ = strings.Cut(value, " ")
				key += " " + name
			}
			top.text[key] = value
		case strings.HasPrefix(line, "@"):
			key, value, _ := strings.Cut(line[1:], " ")
			sections[len(sections)-1].text[key] = value
		default:
			sections[len(sections)-1].body.WriteString(line)
		}
	}
	if err := set.compileTop(top.text); err != nil {
		return nil, err
	}
	for i, sec := range sections {
		if err := set.compileShape(set.shapes[i], sec); err != nil {
			return nil, fmt.Errorf("line %d, %s: %w", sec.line, set.shapes[i].name, err)
		}
	}
	return set, nil
}

func (s *shapeSet) compileTop(text map[string]string) error {
	for key, value := range text {
		var err error
		switch key {
		case "regions":
			s.regions = strings.Fields(value)
		case "limit":
			s.limit, err = strconv.Atoi(value)
		case "page":
			s.apart = true
			s.page, err = strconv.Atoi(value)
		case "sep":
			s.sep = strings.ReplaceAll(value, `\n`, "\n")
		case "file":
			s.file, err = compile(value, s.index)
		case "head":
			s.head, err = compile(value, s.index)
		case "tail":
			s.tail, err = compile(value, s.index)
		case "before":
			s.before, err = compile(value, s.index)
		case "after":
			s.after, err = compile(value, s.index)
		case "let":
			return errors.New("let: expected a name")
		default:
			name, ok := strings.CutPrefix(key, "let ")
			if !ok {
				return fmt.Errorf("key %q is not known", key)
			}
			s.values[name], err = compile(value, s.index)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

func (s *shapeSet) compileShape(x *shape, sec *section) (err error) {
	for key, value := range sec.text {
		switch key {
		case "file":
			x.file, err = compile(value, s.index)
		case "head":
			x.head, err = compile(value, s.index)
		case "tail":
			x.tail, err = compile(value, s.index)
		default:
			x.values[key], err = compile(value, s.index)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	x.body, err = compile(sec.body.String(), s.index)
	return err
}

// only returns the set with the shapes of a mix; the others have no weight.
func (s *shapeSet) only(m Mix) (*shapeSet, error) {
	if m == Mixed {
		return s, nil
	}
	out := *s
	out.shapes = nil
	some := false
	for i, x := range s.shapes {
		own := *x
		if !slices.Contains(s.mixes[i], string(m)) {
			own.weight = 0
		}
		some = some || own.weight > 0
		out.shapes = append(out.shapes, &own)
	}
	if !some {
		return nil, fmt.Errorf("mix %q: this format has no such resources", m)
	}
	return &out, nil
}
