package demarc_test

import (
	"encoding/json"
	"testing"

	"github.com/demarc/demarc"
)

func TestAValueOfJSONIsWhatWasWritten(t *testing.T) {
	for _, v := range []demarc.Value{
		demarc.Bool(true), demarc.Int(-7), demarc.Int(1 << 60), demarc.Number(0.25), demarc.String("a\"b"),
		{},
		demarc.List(demarc.TypeStrings, demarc.String("a"), demarc.Value{}), demarc.List(demarc.TypeInts, demarc.Int(22), demarc.Int(443)),
		demarc.List(demarc.TypeRecords, demarc.Record(map[string]demarc.Value{"port": demarc.Int(22), "open": demarc.Bool(true)})),
	} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var back demarc.Value
		if err := json.Unmarshal(text, &back); err != nil || !back.Equal(v) {
			t.Errorf("%s comes back as %s (%v)", text, back, err)
		}
	}
	var v demarc.Value
	if err := json.Unmarshal([]byte(`{"a":`), &v); err == nil {
		t.Error("broken JSON is a value")
	}
}

func FuzzValueJSON(f *testing.F) {
	for _, seed := range []string{`true`, `12`, `1e400`, `[1,"a",null,[2]]`, `{"a":{"b":[]}}`, `null`, `"x"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var v demarc.Value
		if json.Unmarshal(text, &v) != nil {
			return
		}
		once, err := json.Marshal(v)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		var w demarc.Value
		if err := json.Unmarshal(once, &w); err != nil || !w.Equal(v) {
			t.Errorf("%s comes back as %s (%v)", once, w, err)
		}
	})
}
