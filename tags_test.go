package demarc_test

import (
	"encoding/json"
	"maps"
	"testing"

	"pgregory.net/rapid"

	"github.com/demarc/demarc"
)

// Tags say what the map said that they were made of, in any form.
func TestTags(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "tags")
		tags := demarc.TagsOf(want)
		if got := tags.Map(); !maps.Equal(got, want) {
			t.Fatalf("TagsOf(%q).Map() = %q", want, got)
		}
		for k, v := range want {
			if got, ok := tags.Lookup(k); got != v || !ok {
				t.Fatalf("Lookup(%q) = %q, %v, want %q", k, got, ok, v)
			}
		}
		if got, ok := tags.Lookup("no such \x00 key"); want["no such \x00 key"] == "" && (got != "" || ok) {
			t.Fatalf("Lookup of what is not there = %q, %v", got, ok)
		}
		text, err := json.Marshal(tags)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if string(text) != string(plain) {
			t.Fatalf("JSON is %s, want %s", text, plain)
		}
		var back demarc.Tags
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		if again, _ := json.Marshal(back); string(again) != string(text) {
			t.Fatalf("read again it is %s, want %s", again, text)
		}
	})
}

// Of two tags with one key the last counts, as of two members of one name.
func TestTagsTwice(t *testing.T) {
	tags := demarc.Tags(demarc.AppendTag(demarc.AppendTag(nil, "a", "1"), "a", "2"))
	if got := tags.Get("a"); got != "2" {
		t.Errorf("Get = %q, want 2", got)
	}
	if got := tags.String(); got != "a=2" {
		t.Errorf("String = %q, want a=2", got)
	}
}

// What was cut short or is no tags at all harms nobody.
func FuzzTags(f *testing.F) {
	f.Add(string(demarc.TagsOf(map[string]string{"team": "web", "env": ""})))
	f.Add("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01a")
	f.Fuzz(func(t *testing.T, text string) {
		tags := demarc.Tags(text)
		if _, err := json.Marshal(tags); err != nil {
			t.Error(err)
		}
		// However tags are written, what they mean is what their map says, and that can be written again.
		m, n := tags.Map(), 0
		for range tags.All() {
			n++
		}
		if n != tags.Len() || len(m) > n {
			t.Errorf("%d tags, Len %d, %d keys", n, tags.Len(), len(m))
		}
		for k, v := range m {
			if got, ok := tags.Lookup(k); !ok || got != v || tags.Get(k) != v {
				t.Errorf("%q is %q, and %q in the map", k, got, v)
			}
		}
		if again := demarc.TagsOf(m); !maps.Equal(again.Map(), m) || again.Len() != len(m) || again != demarc.TagsOf(again.Map()) {
			t.Errorf("%q became %q", text, string(again))
		}
	})
}
