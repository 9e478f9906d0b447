// Package jscan reads JSON in one forward pass: it validates all of a text and takes the values at declared paths.
//
// Nothing is decoded that nobody asked for and no tree is built. Scan works on a text in memory; Decoder
// frames the values of a stream, so that a text of any size passes through a bounded buffer.
package jscan

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth is how many containers may lie within each other.
const MaxDepth = 512

// SyntaxError says where a text stops being JSON, and what was expected there.
type SyntaxError struct {
	Offset   int64 // bytes from the start of the text
	Expected string
	Found    string
}

// EndOfText is what a SyntaxError found where a text ends too early.
const EndOfText = "the end of the text"

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("at byte %d: expected %s, found %s", e.Offset, e.Expected, e.Found)
}

// Node is one key of a set of paths. A value that lies at a node's path is captured in its slot.
// Nodes may be shared: a set of paths can hang below several keys.
type Node struct {
	Slot     int  // where the value is put; -1 for none
	Fold     bool // the keys below compare without case
	Single   bool // a list of one below this node is read as its element
	children map[string]*Node
	likely   [4]uint64 // bit trait(k) is set for every key k of children: most keys of a document are nobody's
}

// NewNode returns a node without a slot. Its children inherit fold and single.
func NewNode(fold, single bool) *Node { return &Node{Slot: -1, Fold: fold, Single: single} }

// At returns the node of the path that keys name below n, adding what is missing.
func (n *Node) At(keys ...string) *Node {
	for _, k := range keys {
		k = n.fold(k)
		child := n.children[k]
		if child == nil {
			child = NewNode(n.Fold, n.Single)
			n.Attach(k, child)
		}
		n = child
	}
	return n
}

// Attach puts child below n under key.
func (n *Node) Attach(key string, child *Node) {
	if n.children == nil {
		n.children = map[string]*Node{}
	}
	key = n.fold(key)
	n.children[key] = child
	t := trait([]byte(key))
	n.likely[t>>6] |= 1 << (t & 63)
}

// trait is a cheap hash of a key by its length and ends. Case does not count.
func trait(key []byte) uint8 {
	if len(key) == 0 {
		return 0
	}
	const caseBit = 'a' - 'A'
	return uint8(len(key))*37 ^ (key[0]|caseBit)*3 ^ (key[len(key)-1]|caseBit)*5
}

func (n *Node) fold(key string) string {
	if n.Fold {
		return string(bytes.ToLower([]byte(key)))
	}
	return key
}

const maxKey = 128 // a longer key is nobody's

// Child returns the node of a key right below n, nil if there is none.
func (n *Node) Child(key []byte) *Node {
	child, _ := n.child(key)
	return child
}

// child returns the node of a key, or nil, and the key's trait.
func (n *Node) child(key []byte) (*Node, uint8) {
	if len(key) > maxKey {
		return nil, 0
	}
	t := trait(key)
	if n.likely[t>>6]&(1<<(t&63)) == 0 {
		return nil, 0
	}
	if !n.Fold {
		return n.children[string(key)], t
	}
	var buf [maxKey]byte
	for i, c := range key {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		buf[i] = c
	}
	return n.children[string(buf[:len(key)])], t
}

// Captures holds the raw values that a Scan found, by slot. They are slices of the text.
type Captures struct {
	values  [][]byte
	touched []int
}

// NewCaptures returns room for so many slots.
func NewCaptures(slots int) *Captures { return &Captures{values: make([][]byte, slots)} }

// Grow makes room for so many slots. What was captured is kept.
func (c *Captures) Grow(slots int) {
	if n := slots - len(c.values); n > 0 {
		c.values = append(c.values, make([][]byte, n)...)
	}
}

// Get returns the raw value in a slot, nil if there was none.
func (c *Captures) Get(slot int) []byte {
	if slot < 0 {
		return nil
	}
	return c.values[slot]
}

// Reset forgets all values.
func (c *Captures) Reset() {
	for _, s := range c.touched {
		c.values[s] = nil
	}
	c.touched = c.touched[:0]
}

func (c *Captures) put(slot int, v []byte) {
	if c.values[slot] == nil {
		c.touched = append(c.touched, slot)
	}
	c.values[slot] = v
}

// drop forgets what was captured at and below n.
func (c *Captures) drop(n *Node) {
	if n.Slot >= 0 {
		c.values[n.Slot] = nil
	}
	for _, child := range n.children {
		c.drop(child)
	}
}

// Scan validates that text is one JSON value and captures what lies at the paths below root. A key that occurs
// twice counts the last time, with all that lies below it. The error is a *SyntaxError, with captures up to there.
func Scan(text []byte, root *Node, c *Captures) error {
	s := scanner{b: text, c: c}
	i, err := s.value(s.space(0), root, 0)
	if err != nil {
		return err
	}
	if i = s.space(i); i < len(text) {
		return s.errorAt(i, "the end of the value")
	}
	return nil
}

// Rescan is Scan for a text that lay inside a captured value: root is that value's node. What it captures is
// added to c.
func Rescan(text []byte, root *Node, c *Captures) error {
	slot := root.Slot
	inner := *root
	inner.Slot = -1
	if slot >= 0 {
		c.put(slot, text)
	}
	return Scan(text, &inner, c)
}

// Valid returns nil if text is one JSON value, and a *SyntaxError if it is not.
func Valid(text []byte) error { return Scan(text, nil, nil) }

type scanner struct {
	b []byte
	c *Captures
}

func (s *scanner) errorAt(i int, expected string) error {
	found := EndOfText
	if i < len(s.b) {
		found = describe(s.b[i:])
	}
	return &SyntaxError{Offset: int64(i), Expected: expected, Found: found}
}

func describe(b []byte) string {
	r, size := utf8.DecodeRune(b)
	if r == utf8.RuneError && size <= 1 {
		return "byte 0x" + strconv.FormatUint(uint64(b[0]), 16)
	}
	return strconv.QuoteRune(r)
}

func (s *scanner) space(i int) int {
	for i < len(s.b) && (s.b[i] == ' ' || s.b[i] == '\n' || s.b[i] == '\t' || s.b[i] == '\r') {
		i++
	}
	return i
}

// value scans the value at i (no space before it) and returns the offset behind it.
func (s *scanner) value(i int, n *Node, depth int) (int, error) {
	if n == nil {
		return s.skip(i)
	}
	if i >= len(s.b) {
		return i, s.errorAt(i, "a value")
	}
	if depth > MaxDepth {
		return i, s.errorAt(i, fmt.Sprintf("at most %d levels of nesting", MaxDepth))
	}
	start := i
	var err error
	switch {
	case s.b[i] == '{' && len(n.children) > 0:
		i, err = s.object(i, n, depth)
	case s.b[i] == '[' && n.Single && len(n.children) > 0:
		i, err = s.single(i, n, depth)
	default:
		i, err = s.skip(i)
	}
	if err != nil {
		return i, err
	}
	if n.Slot >= 0 {
		s.c.put(n.Slot, s.b[start:i])
	}
	return i, nil
}

func (s *scanner) object(i int, n *Node, depth int) (int, error) {
	i = s.space(i + 1)
	if i < len(s.b) && s.b[i] == '}' {
		return i + 1, nil
	}
	var seen [4]uint64 // traits of the keys that somebody asks for
	for {
		if i >= len(s.b) || s.b[i] != '"' {
			return i, s.errorAt(i, "a key")
		}
		end, err := s.str(i)
		if err != nil {
			return end, err
		}
		child, t := n.child(Unquote(s.b[i+1 : end-1]))
		if child != nil {
			if seen[t>>6]&(1<<(t&63)) != 0 {
				s.c.drop(child) // the key may have been here before
			}
			seen[t>>6] |= 1 << (t & 63)
		}
		i = s.space(end)
		if i >= len(s.b) || s.b[i] != ':' {
			return i, s.errorAt(i, "':'")
		}
		if i, err = s.value(s.space(i+1), child, depth+1); err != nil {
			return i, err
		}
		i = s.space(i)
		if i < len(s.b) && s.b[i] == ',' {
			i = s.space(i + 1)
			continue
		}
		if i < len(s.b) && s.b[i] == '}' {
			return i + 1, nil
		}
		return i, s.errorAt(i, "',' or '}'")
	}
}

// single scans a list whose only element, if it has just one, stands for the list itself.
func (s *scanner) single(i int, n *Node, depth int) (int, error) {
	inner := *n
	inner.Slot = -1
	i = s.space(i + 1)
	if i < len(s.b) && s.b[i] == ']' {
		return i + 1, nil
	}
	for count := 1; ; count++ {
		below := &inner
		if count > 1 {
			below = nil
		}
		var err error
		if i, err = s.value(i, below, depth+1); err != nil {
			return i, err
		}
		i = s.space(i)
		if i < len(s.b) && s.b[i] == ',' {
			if count == 1 {
				s.c.drop(&inner)
			}
			i = s.space(i + 1)
			continue
		}
		if i < len(s.b) && s.b[i] == ']' {
			return i + 1, nil
		}
		return i, s.errorAt(i, "',' or ']'")
	}
}

// skip validates the value at i without recursion and returns the offset behind it.
func (s *scanner) skip(i int) (int, error) {
	b := s.b
	var objects [MaxDepth/64 + 1]uint64 // bit d: container d is an object
	depth := 0
	for {
		// a value
		if i >= len(b) {
			return i, s.errorAt(i, "a value")
		}
		switch c := b[i]; c {
		case '"':
			end, err := s.str(i)
			if err != nil {
				return end, err
			}
			i = end
		case '{', '[':
			if depth++; depth > MaxDepth {
				return i, s.errorAt(i, fmt.Sprintf("at most %d levels of nesting", MaxDepth))
			}
			i = s.space(i + 1)
			if c == '[' {
				objects[depth>>6] &^= 1 << (depth & 63)
				if i < len(b) && b[i] == ']' {
					i++
					depth--
					break
				}
				continue
			}
			objects[depth>>6] |= 1 << (depth & 63)
			if i < len(b) && b[i] == '}' {
				i++
				depth--
				break
			}
			var err error
			if i, err = s.key(i); err != nil {
				return i, err
			}
			continue
		case 't':
			if !bytes.HasPrefix(b[i:], []byte("true")) {
				return i, s.errorAt(i, "a value")
			}
			i += 4
		case 'f':
			if !bytes.HasPrefix(b[i:], []byte("false")) {
				return i, s.errorAt(i, "a value")
			}
			i += 5
		case 'n':
			if !bytes.HasPrefix(b[i:], []byte("null")) {
				return i, s.errorAt(i, "a value")
			}
			i += 4
		default:
			end := number(b, i)
			if end < 0 {
				return i, s.errorAt(i, "a value")
			}
			i = end
		}
		// behind a value
		for {
			if depth == 0 {
				return i, nil
			}
			i = s.space(i)
			if i >= len(b) {
				return i, s.errorAt(i, "',' or the end of a container")
			}
			isObject := objects[depth>>6]&(1<<(depth&63)) != 0
			if b[i] == ',' {
				i = s.space(i + 1)
				if isObject {
					var err error
					if i, err = s.key(i); err != nil {
						return i, err
					}
				}
				break
			}
			if isObject && b[i] == '}' || !isObject && b[i] == ']' {
				i++
				depth--
				continue
			}
			if isObject {
				return i, s.errorAt(i, "',' or '}'")
			}
			return i, s.errorAt(i, "',' or ']'")
		}
	}
}

// key scans a key and its colon and returns the offset of the value.
func (s *scanner) key(i int) (int, error) {
	if i >= len(s.b) || s.b[i] != '"' {
		return i, s.errorAt(i, "a key")
	}
	i, err := s.str(i)
	if err != nil {
		return i, err
	}
	i = s.space(i)
	if i >= len(s.b) || s.b[i] != ':' {
		return i, s.errorAt(i, "':'")
	}
	return s.space(i + 1), nil
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// str scans the string whose opening quote is at i and returns the offset behind its closing quote.
func (s *scanner) str(i int) (int, error) {
	b := s.b
	start := i
	i++
	ascii := true
	for {
		// Eight bytes at a time, while none is a quote, a backslash, a control character or above ASCII.
		for i+8 <= len(b) {
			x := binary.LittleEndian.Uint64(b[i:])
			quote, slash := x^('"'*ones), x^('\\'*ones)
			// Above a byte that was hit others may be marked too; the lowest mark is right.
			if hits := ((quote-ones)&^quote | (slash-ones)&^slash | (x-0x20*ones)&^x | x) & highs; hits != 0 {
				i += bits.TrailingZeros64(hits) / 8
				break
			}
			i += 8
		}
		if i >= len(b) {
			return i, s.errorAt(i, "'\"'")
		}
		switch c := b[i]; {
		case c == '"':
			if !ascii && !utf8.Valid(b[start+1:i]) {
				return s.badUTF8(start + 1)
			}
			return i + 1, nil
		case c == '\\':
			n := escape(b[i:])
			if n == 0 {
				return i, s.errorAt(i+1, "an escape such as \\n or \\u0020")
			}
			i += n
		case c < 0x20:
			return i, s.errorAt(i, "no control character in a string")
		default:
			ascii = ascii && c < utf8.RuneSelf
			i++
		}
	}
}

func (s *scanner) badUTF8(i int) (int, error) {
	for i < len(s.b) {
		r, size := utf8.DecodeRune(s.b[i:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		i += size
	}
	return i, s.errorAt(i, "UTF-8")
}

// escape returns the length of the escape at the start of b, 0 if it is none.
func escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) < 6 {
			return 0
		}
		for _, c := range b[2:6] {
			if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') {
				return 0
			}
		}
		return 6
	}
	return 0
}

// number returns the offset behind the number at i, -1 if there is none.
func number(b []byte, i int) int {
	digits := func() bool {
		from := i
		for i < len(b) && b[i] >= '0' && b[i] <= '9' {
			i++
		}
		return i > from
	}
	if i < len(b) && b[i] == '-' {
		i++
	}
	switch {
	case i < len(b) && b[i] == '0':
		i++
	case !digits():
		return -1
	}
	if i < len(b) && b[i] == '.' {
		i++
		if !digits() {
			return -1
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !digits() {
			return -1
		}
	}
	return i
}

// Unquote returns the text of a string's content (without its quotes). It returns content itself where nothing is
// escaped. A lone surrogate becomes U+FFFD, and so does an escape that is none.
func Unquote(content []byte) []byte {
	at := bytes.IndexByte(content, '\\')
	if at < 0 {
		return content
	}
	out := append(make([]byte, 0, len(content)), content[:at]...)
	for i := at; i < len(content); {
		if content[i] != '\\' || i+1 == len(content) {
			out = append(out, content[i])
			i++
			continue
		}
		switch c := content[i+1]; c {
		case 'u':
			r := hex4(content[i+2:])
			i = min(i+6, len(content))
			if utf16.IsSurrogate(r) {
				low := rune(-1)
				if i+6 <= len(content) && content[i] == '\\' && content[i+1] == 'u' {
					low = hex4(content[i+2:])
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					i += 6
				}
			}
			out = utf8.AppendRune(out, r)
			continue
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		default:
			out = append(out, c)
		}
		i += 2
	}
	return out
}

func hex4(b []byte) rune {
	if len(b) < 4 {
		return utf8.RuneError
	}
	n, err := strconv.ParseUint(string(b[:4]), 16, 32)
	if err != nil {
		return utf8.RuneError
	}
	return rune(n)
}

// IsString reports whether a raw value is a string, and returns its text.
func IsString(raw []byte) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	return string(Unquote(raw[1 : len(raw)-1])), true
}

// IsNull reports whether a raw value is null or missing.
func IsNull(raw []byte) bool { return len(raw) == 0 || raw[0] == 'n' }

// Elements calls f with each element of a valid array until f returns false. What is no array has no elements.
func Elements(raw []byte, f func(element []byte) bool) {
	if len(raw) == 0 || raw[0] != '[' {
		return
	}
	s := scanner{b: raw}
	i := s.space(1)
	for i < len(raw) && raw[i] != ']' {
		end, err := s.skip(i)
		if err != nil || !f(raw[i:end]) {
			return
		}
		i = s.space(end)
		if i < len(raw) && raw[i] == ',' {
			i = s.space(i + 1)
		}
	}
}

// Members calls f with each key and value of a valid object until f returns false. What is no object has no members.
func Members(raw []byte, f func(key string, value []byte) bool) {
	members(raw, func(k, v []byte) bool { return f(string(Unquote(k)), v) })
}

// RawMembers is Members with keys that are good during the call only.
func RawMembers(raw []byte, f func(key, value []byte) bool) {
	members(raw, func(k, v []byte) bool { return f(Unquote(k), v) })
}

// members is Members with keys as they are written, without their quotes.
func members(raw []byte, f func(key, value []byte) bool) {
	if len(raw) == 0 || raw[0] != '{' {
		return
	}
	s := scanner{b: raw}
	i := s.space(1)
	for i < len(raw) && raw[i] == '"' {
		end, err := s.str(i)
		if err != nil {
			return
		}
		key := raw[i+1 : end-1]
		start := s.space(s.space(end) + 1)
		if end, err = s.skip(start); err != nil || !f(key, raw[start:end]) {
			return
		}
		i = s.space(end)
		if i < len(raw) && raw[i] == ',' {
			i = s.space(i + 1)
		}
	}
}

// Member returns the value of a key of a valid object, nil if there is none. With fold, case does not count. Of a key
// that is there twice it is the last, as Scan has it.
func Member(raw []byte, key string, fold bool) []byte {
	var found []byte
	members(raw, func(k, v []byte) bool {
		if bytes.IndexByte(k, '\\') >= 0 {
			k = Unquote(k)
		}
		if string(k) == key || fold && len(k) == len(key) && bytes.EqualFold(k, []byte(key)) {
			found = v
		}
		return true
	})
	return found
}
