// Package suggest finds the known word that a misspelt one was probably meant to be.
package suggest

import (
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"
)

// maxWord is the longest word, in bytes, that is worth comparing; the comparison is quadratic.
const maxWord = 100

// Nearest returns the word of known that takes the fewest edits (a letter added, dropped, changed, or two
// neighbours swapped) to reach from word, and false if none is close enough to be a slip. Of equally near
// words the first wins, so known should come in a stable order.
func Nearest(word string, known iter.Seq[string]) (string, bool) {
	if len(word) > maxWord {
		return "", false
	}
	folded := strings.ToLower(word)
	best, limit := "", 1+utf8.RuneCountInString(word)/4
	found := false
	for k := range known {
		if len(k) > maxWord || k == word {
			continue
		}
		d := distance(folded, strings.ToLower(k))
		if d < limit || d == limit && !found {
			best, limit, found = k, d, true
		}
	}
	return best, found
}

// DidYouMean returns `, did you mean "word"?` for the nearest known word, or nothing: it ends an error message.
func DidYouMean(word string, known iter.Seq[string]) string {
	if k, ok := Nearest(word, known); ok {
		return fmt.Sprintf(", did you mean %q?", k)
	}
	return ""
}

// distance is the optimal string alignment distance between a and b, in runes.
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	before := make([]int, len(t)+1) // two rows up
	above := make([]int, len(t)+1)
	row := make([]int, len(t)+1)
	for j := range above {
		above[j] = j
	}
	for i := 1; i <= len(s); i++ {
		row[0] = i
		for j := 1; j <= len(t); j++ {
			change := 1
			if s[i-1] == t[j-1] {
				change = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+change)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, above, row = above, row, before
	}
	return above[len(t)]
}
