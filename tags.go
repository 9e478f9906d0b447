package demarc

import (
	"encoding/binary"
	"encoding/json"
	"iter"
	"maps"
	"slices"
	"strings"
)

// Tags are the tags or labels of a resource, all in one string: a million resources hold no million maps. Each tag is
// its key and its value, each behind its length as a uvarint. The zero Tags are none. Make them with TagsOf or AppendTag.
type Tags string

// TagsOf returns the tags of a map.
func TagsOf(m map[string]string) Tags {
	var b []byte
	for _, k := range slices.Sorted(maps.Keys(m)) {
		b = AppendTag(b, k, m[k])
	}
	return Tags(b)
}

// AppendTag appends one tag to tags that are being made. Of two with one key the last counts.
func AppendTag[T ~string | ~[]byte](b []byte, key, value T) []byte {
	b = append(binary.AppendUvarint(b, uint64(len(key))), key...)
	return append(binary.AppendUvarint(b, uint64(len(value))), value...)
}

// Get returns the value of a tag, "" if there is none.
func (t Tags) Get(key string) string {
	value, _ := t.Lookup(key)
	return value
}

// Lookup returns the value of a tag, and whether there is one.
func (t Tags) Lookup(key string) (value string, ok bool) {
	for k, v := range t.All() {
		if k == key {
			value, ok = v, true
		}
	}
	return value, ok
}

// All goes through the tags in the order in which they were written, keys that are there twice included.
func (t Tags) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for rest := string(t); rest != ""; {
			var key, value string
			key, rest = cutText(rest)
			value, rest = cutText(rest)
			if !yield(key, value) {
				return
			}
		}
	}
}

// cutText takes a text behind its length off the front; what is cut short is as long as it is.
func cutText(s string) (text, rest string) {
	if s != "" && s[0] < 0x80 { // most are that short
		n := min(1+int(s[0]), len(s))
		return s[1:n], s[n:]
	}
	n := uint64(0)
	for i := 0; i < len(s) && i < binary.MaxVarintLen64; i++ {
		n |= uint64(s[i]&0x7f) << (7 * i)
		if s[i] < 0x80 {
			s = s[i+1:]
			n = min(n, uint64(len(s)))
			return s[:n], s[n:]
		}
	}
	return "", ""
}

// Len returns how many tags there are, keys that are there twice included.
func (t Tags) Len() int {
	n := 0
	for range t.All() {
		n++
	}
	return n
}

// Map returns the tags as a map, which is the caller's.
func (t Tags) Map() map[string]string { return maps.Collect(t.All()) }

// String is the tags as a person reads them: key=value, sorted, joined by commas.
func (t Tags) String() string {
	m := t.Map()
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, k+"="+m[k])
	}
	return strings.Join(out, ", ")
}

// MarshalJSON writes the tags as an object, sorted by key.
func (t Tags) MarshalJSON() ([]byte, error) { return json.Marshal(t.Map()) }

// UnmarshalJSON reads the tags from an object of strings.
func (t *Tags) UnmarshalJSON(text []byte) error {
	var m map[string]string
	if err := json.Unmarshal(text, &m); err != nil {
		return err
	}
	*t = TagsOf(m)
	return nil
}
