package rule

import "testing"

// FuzzVersion asks that versions are in order: each is at least itself, of two one is at least the other, and of three what
// is at least the second is at least the third where the second is.
func FuzzVersion(f *testing.F) {
	f.Add("1.30", "v1.30.2-gke.100", "1.31.0-rc.1")
	f.Add("python3.12", "python3.9", "python")
	f.Add("OpenSearch_2.11", "Elasticsearch_7.10", "2")
	f.Add("8.0.mysql_aurora.3.04.0", "8.0.35", "08.00")
	f.Add("1."+"0.0.0.0.0.0", "1", "99999999999999999999999999")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		ask := func(v, least string) (holds, known bool) {
			holds, err := versionAtLeast(v, least)
			if err != nil && (holds || err.Error() == "") {
				t.Errorf("%q at least %q: %t, and %v", v, least, holds, err)
			}
			return holds, err == nil
		}
		if holds, known := ask(a, a); known && !holds {
			t.Errorf("%q is not at least itself", a)
		}
		ab, known := ask(a, b)
		ba, back := ask(b, a)
		if known != back || known && !ab && !ba {
			t.Errorf("%q and %q are in no order: %t, %t", a, b, ab, ba)
		}
		bc, known2 := ask(b, c)
		if ac, known3 := ask(a, c); known && known2 && ab && bc && (!known3 || !ac) {
			t.Errorf("%q is at least %q, that at least %q, and the first not at least the last", a, b, c)
		}
	})
}
