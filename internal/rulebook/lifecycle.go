package rulebook

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/demarc/demarc/internal/rule"
	"github.com/demarc/demarc/internal/strictyaml"
)

// Lifecycle is until when the provider supports each version of something.
type Lifecycle struct {
	ID       string
	Title    string
	About    string
	Source   *Source // whose day of reading is that of the whole table
	Releases []Release
	Pos      strictyaml.Pos
}

// Release is a version, or a line of versions, of a Lifecycle. A day that is zero has not been announced.
type Release struct {
	Version  string    // "nodejs22.x"; "8.0" stands for 8.0.35 as well
	Released time.Time // the first day; zero where the provider's page does not say
	Standard time.Time // the last day of standard support
	Extended time.Time // the last day of extended support; zero as well where there is none
	Pos      strictyaml.Pos
}

// The states of a version.
const (
	SupportStandard = "standard"
	SupportExtended = "extended"
	SupportEnded    = "ended"
)

// lifecycleAge is how long a table counts as current after somebody read the provider's page.
const lifecycleAge = 90 * 24 * time.Hour

// Stale reports whether the provider's page was read so long before asOf that it should be read again.
func (l *Lifecycle) Stale(asOf time.Time) bool { return asOf.Sub(l.Source.Read) > lifecycleAge }

// Find returns the release that a version belongs to: the one of its name, or the longest of which it is a further part, such
// as 8.0 for 8.0.mysql_aurora.3.04.0. It is nil for none.
func (l *Lifecycle) Find(version string) *Release {
	var best *Release
	for i := range l.Releases {
		r := &l.Releases[i]
		rest, ok := strings.CutPrefix(version, r.Version)
		if ok && (rest == "" || strings.ContainsAny(rest[:1], " .-_+")) && (best == nil || len(r.Version) > len(best.Version)) {
			best = r
		}
	}
	return best
}

// State returns which support a release has on a day.
func (r *Release) State(asOf time.Time) string {
	within := func(last time.Time) bool { return asOf.Before(last.AddDate(0, 0, 1)) }
	switch {
	case r.Standard.IsZero() || within(r.Standard):
		return SupportStandard
	case !r.Extended.IsZero() && within(r.Extended):
		return SupportExtended
	default:
		return SupportEnded
	}
}

// Lifecycle returns the table of that id, or nil.
func (b *Rulebook) Lifecycle(id string) *Lifecycle {
	if table := b.lifecycles[id]; table != nil {
		return table()
	}
	return nil
}

// LifecycleIDs returns the ids of all tables, sorted.
func (b *Rulebook) LifecycleIDs() []string { return slices.Sorted(maps.Keys(b.lifecycles)) }

// Tables returns the ids of all tables. With Support it is what expressions ask for.
func (b *Rulebook) Tables() []string { return b.LifecycleIDs() }

// Support returns which support a version of a table has on a day, or a *rule.UnlistedError.
func (b *Rulebook) Support(table, version string, asOf time.Time) (string, error) {
	l := b.Lifecycle(table)
	if l == nil {
		return "", fmt.Errorf("there is no lifecycle %q", table)
	}
	r := l.Find(version)
	if r == nil {
		return "", &rule.UnlistedError{Table: table, Version: strings.Clone(version)}
	}
	return r.State(asOf), nil
}

type lifecycleFile struct {
	Lifecycle text        `yaml:"lifecycle"`
	Title     text        `yaml:"title"`
	About     text        `yaml:"about"`
	Source    sourceEntry `yaml:"source"`
	Versions  []struct {
		Version  text `yaml:"version"`
		Released text `yaml:"released"`
		Standard text `yaml:"standard"`
		Extended text `yaml:"extended"`
		Pos      pos  `yaml:",pos"`
	} `yaml:"versions"`
	Pos pos `yaml:",pos"`
}

// readLifecycle decodes a table and holds it to what a table must be.
func (l *loader) readLifecycle(system fs.FS, name string) *Lifecycle {
	var f lifecycleFile
	if !l.decode(system, name, &f) && f.Lifecycle.Value == "" {
		return nil
	}
	out := &Lifecycle{ID: f.Lifecycle.Value, Title: f.Title.Value, About: f.About.Value, Pos: f.Pos, Source: l.source(&f.Source, nil)}
	if want := lifecycleID(name); out.ID != want {
		l.fault(f.Lifecycle.Pos, "lifecycle %q is in a file of another name: want %s", out.ID, want)
	}
	if out.Title == "" || out.About == "" {
		l.fault(f.Pos, "a lifecycle needs a title and a sentence")
	}
	if len(f.Versions) == 0 {
		l.fault(f.Pos, "a lifecycle needs versions")
	}
	seen := map[string]bool{}
	for _, e := range f.Versions {
		r := Release{Version: e.Version.Value, Pos: e.Pos, Released: l.day(e.Released), Standard: l.day(e.Standard), Extended: l.day(e.Extended)}
		switch {
		case r.Version == "":
			l.fault(e.Pos, "a version needs a name")
		case seen[r.Version]:
			l.fault(e.Version.Pos, "version %q is there twice", r.Version)
		case !r.Standard.IsZero() && r.Standard.Before(r.Released):
			l.fault(e.Standard.Pos, "standard support of %s ends before it is released", r.Version)
		case !r.Extended.IsZero() && cmp.Compare(r.Extended.Unix(), r.Standard.Unix()) <= 0:
			l.fault(e.Extended.Pos, "extended support of %s does not end after standard support", r.Version)
		}
		seen[r.Version] = true
		out.Releases = append(out.Releases, r)
	}
	return out
}

// day reads a day, or nothing as the zero time.
func (l *loader) day(t text) time.Time {
	if t.Value == "" {
		return time.Time{}
	}
	day, err := time.Parse(time.DateOnly, t.Value)
	if err != nil {
		l.fault(t.Pos, "%q is no day: want 2026-11-23", t.Value)
	}
	return day
}

func lifecycleID(file string) string {
	return strings.TrimSuffix(file[strings.LastIndexByte(file, '/')+1:], ".yaml")
}

// shelve puts a table that is decoded when it is first asked for where expressions find it.
func (b *Rulebook) shelve(name string) {
	b.lifecycles[lifecycleID(name)] = sync.OnceValue(func() *Lifecycle {
		l := &loader{book: b}
		defer l.mustHold()
		return l.readLifecycle(b.files, name)
	})
}
