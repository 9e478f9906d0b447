package suggest_test

import (
	"slices"
	"testing"

	"github.com/demarc/demarc/internal/suggest"
)

func TestNearest(t *testing.T) {
	known := slices.Values([]string{"holder", "holders", "moves", "guest.patching", "id", "été"})
	for _, tt := range []struct{ word, want string }{
		{"hodler", "holder"},
		{"Holder", "holder"},
		{"holdr", "holder"},
		{"move", "moves"},
		{"guest.paching", "guest.patching"},
		{"is", "id"},
		{"ete", ""},
		{"source", ""},
		{"", ""},
	} {
		got, ok := suggest.Nearest(tt.word, known)
		if got != tt.want || ok != (tt.want != "") {
			t.Errorf("Nearest(%q) = %q, %v, want %q", tt.word, got, ok, tt.want)
		}
	}
}

func TestDidYouMean(t *testing.T) {
	known := slices.Values([]string{"holder"})
	if got, want := suggest.DidYouMean("hodler", known), `, did you mean "holder"?`; got != want {
		t.Errorf("DidYouMean = %q, want %q", got, want)
	}
	if got := suggest.DidYouMean("region", known); got != "" {
		t.Errorf("DidYouMean = %q, want nothing", got)
	}
}
