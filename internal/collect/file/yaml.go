package file

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	maxYAMLValues = 2_000_000 // of one document, as mayHold counts them
	maxAliased    = 200_000   // nodes that aliases add
	maxYAMLDepth  = 200
	yamlPiece     = 256 << 10 // bytes that a longer list is cut into
)

const binary = "binary data; expected JSON or YAML"

var yamlLine = regexp.MustCompile(`line (\d+): (.*)`)

// yaml goes through the documents of a YAML text, one at a time. Each becomes JSON, with the short tags of CloudFormation
// in their long form, and is then what it would be as JSON. One that is broken does not spoil the others.
func (f *framer) yaml(r *bufio.Reader) error {
	some, err := f.yamlDocuments(&yamlStream{r: r, line: 1, piece: yamlPiece})
	if err == nil && !some {
		f.line = 0
		f.refuseAt(-1, "no document in it: only comments or empty YAML")
	}
	return err
}

// yamlDocuments takes what a stream is cut into. It reports whether there was a document, or something in its place that has been refused.
func (f *framer) yamlDocuments(s *yamlStream) (some bool, err error) {
	for {
		if err := f.ctx.Err(); err != nil {
			return some, err
		}
		text, line, err := s.next()
		if errors.Is(err, io.EOF) {
			return some, nil
		}
		f.line = line
		switch {
		case err != nil:
			return some, err
		case bytes.IndexByte(text, 0) >= 0:
			f.line = 0
			return some, errors.New(binary)
		case mayHold(text) > maxYAMLValues:
			f.refuseAt(-1, fmt.Sprintf("a YAML document of more than %d values: give it as JSON", maxYAMLValues))
			some = true
			continue
		}
		found, err := f.yamlDocument(text, line, s)
		if err != nil {
			return some, err
		}
		some = some || found
	}
}

// yamlDocument takes a document whose text begins on a line, and what comes behind it after "...". Of a list that is broken each
// element is taken for itself.
func (f *framer) yamlDocument(text []byte, line int, s *yamlStream) (found bool, err error) {
	d := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var n yaml.Node
		err := decodeYAML(d, &n)
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil && s.list.elements > 1 && !found {
			return f.yamlDocuments(&yamlStream{r: bufio.NewReader(bytes.NewReader(text)), line: line, piece: 1})
		}
		if err != nil {
			message := strings.TrimPrefix(err.Error(), "yaml: ")
			f.line = s.own
			if m := yamlLine.FindStringSubmatch(message); m != nil {
				at, _ := strconv.Atoi(m[1])
				if f.line, message = line+max(at-1, 0), m[2]; strings.HasPrefix(message, "did not find expected") {
					f.line++ // the parser counts lines from 0, its scanner from 1
				}
			}
			f.refuseAt(-1, message)
			return true, nil
		}
		if n.Kind == 0 || len(n.Content) == 0 || n.Content[0].Tag == "!!null" {
			continue // an empty document
		}
		found = true
		root := n.Content[0]
		f.line = max(s.own, line+root.Line-1)
		if root.Kind == yaml.ScalarNode {
			f.refuseAt(-1, "neither JSON nor YAML of a kind that demarc knows")
			continue
		}
		c := yamlConverter{}
		c.value(root, 0)
		if c.err != nil {
			f.line = line + c.line - 1
			f.refuseAt(-1, c.err.Error())
			continue
		}
		if err := f.inMemory(c.out, 0); err != nil {
			return found, err
		}
	}
}

// decodeYAML decodes the next document. The YAML parser panics on some texts that it was never meant to see.
func decodeYAML(d *yaml.Decoder, n *yaml.Node) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("not YAML that can be read: %v", r)
		}
	}()
	return d.Decode(n)
}

// yamlStream cuts a YAML text where documents begin: at lines with "---", which can mean nothing else there. A long list of
// documents, as Kubernetes and the command lines of clouds print it, is cut between its elements too, because the parser makes
// a node of each value before anybody sees one. Each piece begins with what the document says before the list.
type yamlStream struct {
	r     *bufio.Reader
	buf   []byte
	line  int // of what comes next
	own   int // line from which on what was read last was not read before
	piece int // bytes of a list that are left together at least; 0: all
	list  yamlList
}

// yamlList is a list of documents that is being read: a sequence in block style that is the whole text, or all items of it.
type yamlList struct {
	state    listState
	indent   int    // of its elements
	head     []byte // what comes before the first
	cut      bool   // what comes next goes on with it
	elements int    // in what was read last
}

type listState int

const (
	mayBegin listState = iota // the next line tells
	inList
	noList
	uncut // whatever follows in this document
)

// maxHead is how much may come before a list that is cut: it is read again with each piece.
const maxHead = 16 << 10

// next returns the text of the next document, or of a piece of one, and the line on which it begins; io.EOF if there is none.
// The text is overwritten by the next call.
func (s *yamlStream) next() (text []byte, line int, err error) {
	l := &s.list
	s.buf, line, s.own = s.buf[:0], s.line, s.line
	begun := l.cut // something other than comments and directives was seen
	if l.cut {
		s.buf = append(s.buf, l.head...)
		line -= bytes.Count(l.head, []byte("\n"))
		l.cut, l.elements = false, 0
	} else {
		*l = yamlList{head: l.head[:0]}
	}
	again := len(s.buf)
	for whole := true; ; {
		if whole { // a line begins here
			head, err := s.r.Peek(max(4, l.indent+2))
			if len(head) == 0 && !errors.Is(err, io.EOF) {
				return nil, s.line, err
			}
			if beginsDocument(head) {
				if begun {
					break
				}
				begun = true
			}
			if s.piece > 0 && len(s.buf) >= again+s.piece && l.begins(head) {
				l.cut = true
				break
			}
		}
		part, err := s.r.ReadSlice('\n')
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, s.line, err
		}
		if whole {
			if rest := bytes.TrimSpace(part); len(rest) > 0 && rest[0] != '#' && rest[0] != '%' {
				begun = true
				l.see(s.buf, part)
			}
		}
		if s.buf = append(s.buf, part...); len(s.buf) > maxYAML {
			return nil, line, fmt.Errorf("a YAML document of more than %d MiB; what follows it is not read", maxYAML>>20)
		}
		if whole = err == nil; whole {
			s.line++
		}
		if errors.Is(err, io.EOF) {
			break
		}
	}
	if len(s.buf) == 0 {
		return nil, line, io.EOF
	}
	return s.buf, line, nil
}

// begins reports whether an element of the list begins with a line.
func (l *yamlList) begins(line []byte) bool {
	return l.state == inList && elementAt(line) == l.indent
}

// see takes notice of a line that comes behind text and is not a comment.
func (l *yamlList) see(text, line []byte) {
	at, trimmed := elementAt(line), string(bytes.TrimSpace(line))
	switch {
	case l.state == uncut, trimmed == "---":
	case beginsDocument(line), bytes.HasPrefix(line, []byte("...")):
		l.state = uncut
	case l.state == mayBegin && at >= 0:
		l.state, l.indent, l.head, l.elements = inList, at, append(l.head[:0], text...), 1
		if len(l.head) > maxHead {
			l.state = uncut
		}
	case l.state == inList && at == l.indent:
		l.elements++
	case at == 0, line[0] == ' ':
		if l.state == mayBegin {
			l.state = noList
		}
	case trimmed == "items:":
		l.state = mayBegin
	default:
		l.state = noList
	}
}

// elementAt returns how far a line is indented that begins an element of a sequence; -1 for another line.
func elementAt(line []byte) int {
	at := 0
	for at < len(line) && line[at] == ' ' {
		at++
	}
	if at < len(line) && line[at] == '-' && (at+1 == len(line) || bytes.IndexByte([]byte(" \t\r\n"), line[at+1]) >= 0) {
		return at
	}
	return -1
}

func beginsDocument(line []byte) bool {
	return bytes.HasPrefix(line, []byte("---")) && (len(line) == 3 || bytes.IndexByte([]byte(" \t\r\n"), line[3]) >= 0)
}

// mayHold returns how many keys and values a YAML text may hold at most, by the characters that part them. The parser makes
// a node of some 200 bytes for each, before anybody can count them.
func mayHold(text []byte) int {
	n := 1
	for i, c := range text {
		last := i+1 == len(text)
		parts := last || bytes.IndexByte([]byte(" \t\r\n,[]{}"), text[i+1]) >= 0
		switch c {
		case '[':
			n++
		case ',', '{': // {a, b} is two keys and two values
			n += 2
		case '-', '?':
			if parts {
				n++
			}
		case ':': // a key and its value
			if parts || i > 0 && bytes.IndexByte([]byte("\"']}"), text[i-1]) >= 0 {
				n += 2
			}
		}
	}
	return n
}

// yamlConverter writes a node as JSON.
type yamlConverter struct {
	out     []byte
	aliases int // that are being followed
	from    int // line of the first of them
	aliased int // nodes that they have added
	err     error
	line    int // of err
}

// fail keeps the first mistake and where it is: at the alias that leads to n, if one does.
func (c *yamlConverter) fail(n *yaml.Node, format string, args ...any) {
	if c.err != nil {
		return
	}
	c.err, c.line = fmt.Errorf(format, args...), n.Line
	if c.aliases > 0 {
		c.line = c.from
	}
}

// follow returns what an alias stands for, and what to call when that is done with.
func (c *yamlConverter) follow(n *yaml.Node) (to *yaml.Node, done func()) {
	if c.aliases++; c.aliases == 1 {
		c.from = n.Line
	}
	return n.Alias, func() { c.aliases-- }
}

func (c *yamlConverter) value(n *yaml.Node, depth int) {
	if c.err != nil {
		return
	}
	if !c.within(n, depth) {
		return
	}
	tag, tagged := strings.CutPrefix(n.Tag, "!")
	if !tagged || tag == "" || tag[0] == '!' {
		c.plain(n, depth)
		return
	}
	// !GetAtt a.b is {"Fn::GetAtt": "a.b"}.
	if tag != "Ref" && tag != "Condition" {
		tag = "Fn::" + tag
	}
	c.out = append(c.out, '{')
	c.json(tag)
	c.out = append(c.out, ':')
	c.plain(n, depth)
	c.out = append(c.out, '}')
}

// within reports whether there is room for one more node.
func (c *yamlConverter) within(n *yaml.Node, depth int) bool {
	if c.aliases > 0 {
		c.aliased++
	}
	switch {
	case c.aliased > maxAliased:
		c.fail(n, "aliases add more than %d values", maxAliased)
	case depth > maxYAMLDepth:
		c.fail(n, "expected at most %d levels of nesting", maxYAMLDepth)
	case len(c.out) > MaxDocument:
		c.fail(n, "a document of more than %d MiB", MaxDocument>>20)
	}
	return c.err == nil
}

func (c *yamlConverter) plain(n *yaml.Node, depth int) {
	switch n.Kind {
	case yaml.AliasNode:
		to, done := c.follow(n)
		c.value(to, depth+1)
		done()
	case yaml.MappingNode:
		c.out = append(c.out, '{')
		c.members(n, nil, depth)
		c.out = append(c.out, '}')
	case yaml.SequenceNode:
		c.out = append(c.out, '[')
		for i, e := range n.Content {
			if i > 0 {
				c.out = append(c.out, ',')
			}
			c.value(e, depth+1)
		}
		c.out = append(c.out, ']')
	case yaml.ScalarNode:
		c.json(scalar(n))
	default:
		c.out = append(c.out, "null"...)
	}
}

// members writes the members of a mapping, and those that it merges and does not have itself. have are the keys of the
// mapping that n is merged into, nil for none.
func (c *yamlConverter) members(n *yaml.Node, have map[string]bool, depth int) {
	if n.Kind == yaml.AliasNode {
		to, done := c.follow(n)
		defer done()
		n = to
	}
	if n.Kind != yaml.MappingNode || !c.within(n, depth) {
		return
	}
	merged := have != nil
	for i := 0; i+1 < len(n.Content); i += 2 {
		merged = merged || n.Content[i].Tag == "!!merge"
	}
	if merged && have == nil {
		have = map[string]bool{}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, v := n.Content[i], n.Content[i+1]
		if key.Tag == "!!merge" {
			continue
		}
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode {
			c.fail(key, "expected a key that is text")
			return
		}
		if merged {
			if !c.within(key, depth) {
				return
			}
			if have[key.Value] {
				continue
			}
			have[key.Value] = true
		}
		if c.out[len(c.out)-1] != '{' {
			c.out = append(c.out, ',')
		}
		c.json(key.Value)
		c.out = append(c.out, ':')
		c.value(v, depth+1)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		switch v := n.Content[i+1]; {
		case n.Content[i].Tag != "!!merge":
		case v.Kind == yaml.SequenceNode:
			for _, e := range v.Content {
				c.members(e, have, depth+1)
			}
		default:
			c.members(v, have, depth+1)
		}
	}
}

// json writes a string, a number, a bool or nil.
func (c *yamlConverter) json(v any) {
	text, err := json.Marshal(v)
	if err != nil { // a number that is none was sorted out by scalar
		text = []byte("null")
	}
	c.out = append(c.out, text...)
}

// scalar is the JSON of a YAML scalar. What JSON has no word for stays text.
func scalar(n *yaml.Node) any {
	switch n.Tag {
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true") || strings.EqualFold(n.Value, "yes") || strings.EqualFold(n.Value, "on")
	case "!!int":
		if strings.HasPrefix(n.Value, "0") && n.Value != "0" && !strings.HasPrefix(n.Value, "0x") {
			return n.Value // an account id, a file mode: its digits are what counts
		}
		var i int64
		if n.Decode(&i) == nil {
			return i
		}
	case "!!float":
		var f float64
		if n.Decode(&f) == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
			return f
		}
	}
	return n.Value
}
