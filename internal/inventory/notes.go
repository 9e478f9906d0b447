package inventory

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/demarc/demarc"
)

// Notes counts notes by kind and keeps some of them. Which it keeps does not depend on the order in which they come.
type Notes struct {
	Count map[demarc.NoteKind]int
	Kept  []demarc.Note

	texts map[demarc.NoteKind][]string // that are kept, sorted
	known map[noteKey]*known
}

// known is what is kept of the notes of one text.
type known struct {
	first []demarc.Note
	times int
}

type noteKey struct {
	kind demarc.NoteKind
	text string
}

const (
	keptTexts = 500 // of one kind: the first in their order
	// KeptPlaces is how many notes of one text are kept: those in the first places.
	KeptPlaces = 3 // notes of one text that are kept: those in the first places
)

// Add adds a note. Beyond the limits it is only counted.
func (n *Notes) Add(note demarc.Note) {
	if n.Count == nil {
		n.Count = map[demarc.NoteKind]int{}
	}
	n.Count[note.Kind]++
	if of := n.keep(note); of != nil {
		of.times++
	}
}

// Addf adds a note whose message is made of args.
func (n *Notes) Addf(kind demarc.NoteKind, p demarc.Position, format string, args ...any) {
	n.Add(demarc.Note{Kind: kind, Pos: p, Message: fmt.Sprintf(format, args...)})
}

// Merge adds the notes of m.
func (n *Notes) Merge(m *Notes) {
	for kind, count := range m.Count {
		if n.Count == nil {
			n.Count = map[demarc.NoteKind]int{}
		}
		n.Count[kind] += count
	}
	for _, note := range m.Kept {
		n.keep(note)
	}
	for key, of := range m.known {
		if own := n.known[key]; own != nil {
			own.times += of.times
		}
	}
}

// Times returns how many notes there are of the kind and text of one that is kept.
func (n *Notes) Times(note demarc.Note) int {
	if of := n.known[noteKey{note.Kind, note.Message}]; of != nil {
		return of.times
	}
	return 0
}

// keep keeps a note if it is among the first, and returns what is known of its text, nil if its text is not kept.
func (n *Notes) keep(note demarc.Note) *known {
	if n.known == nil {
		n.texts, n.known = map[demarc.NoteKind][]string{}, map[noteKey]*known{}
	}
	key := noteKey{note.Kind, note.Message}
	of := n.known[key]
	if of == nil {
		if !n.room(key) {
			return nil
		}
		of = &known{}
		n.known[key] = of
	}
	if len(of.first) < KeptPlaces {
		of.first = append(of.first, note)
		n.Kept = append(n.Kept, note)
		return of
	}
	last := slices.MaxFunc(of.first, comparePlaces)
	if comparePlaces(note, last) < 0 {
		of.first[slices.Index(of.first, last)] = note
		n.Kept[slices.Index(n.Kept, last)] = note
	}
	return of
}

// room makes room for a text, in place of the last of its kind if there are too many; false if it is that itself.
func (n *Notes) room(key noteKey) bool {
	texts := n.texts[key.kind]
	if len(texts) == keptTexts {
		last := noteKey{key.kind, texts[keptTexts-1]}
		if key.text > last.text {
			return false
		}
		texts = texts[:keptTexts-1]
		delete(n.known, last)
		n.Kept = slices.DeleteFunc(n.Kept, func(x demarc.Note) bool { return x.Kind == last.kind && x.Message == last.text })
	}
	at, _ := slices.BinarySearch(texts, key.text)
	n.texts[key.kind] = slices.Insert(texts, at, key.text)
	return true
}

// Sort orders the notes that are kept by their places, then by kind and text.
func (n *Notes) Sort() {
	slices.SortStableFunc(n.Kept, func(a, b demarc.Note) int {
		return cmp.Or(comparePlaces(a, b), strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.Message, b.Message))
	})
}

func comparePlaces(a, b demarc.Note) int {
	return cmp.Or(
		strings.Compare(a.Pos.Input, b.Pos.Input), cmp.Compare(a.Pos.Line, b.Pos.Line),
		cmp.Compare(a.Pos.Column, b.Pos.Column), cmp.Compare(a.Pos.Offset, b.Pos.Offset),
	)
}
