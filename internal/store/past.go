package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/demarc/demarc"
)

// pastVersion is a version that has ended.
type pastVersion struct {
	rid          int64
	place        uint32
	standing     uint32 // with insideBit
	first, ended uint32
}

// pastVersions returns the versions that have ended until a snapshot, by rid. They are read once.
func (s *Store) pastVersions(ctx context.Context, n *snapshot) ([]pastVersion, error) {
	return n.past.get(func() ([]pastVersion, error) {
		v := s.vocabulary(n.org)
		v.mu.Lock()
		placeAt, standingAt := v.placeAt, v.standingAt
		defer v.mu.Unlock()
		var out []pastVersion
		rows, err := s.read.QueryContext(ctx, `SELECT rid, place, standing, inside, first, ended FROM resources WHERE organization = $1 AND ended IS NOT NULL AND ended <= $2 ORDER BY rid`, n.org, int64(n.scan.ID))
		err = each(rows, err, func(r *sql.Rows) error {
			var p pastVersion
			var placeID, standingID, inside int64
			if err := r.Scan(&p.rid, &placeID, &standingID, &inside, &p.first, &p.ended); err != nil {
				return err
			}
			var known, ok bool
			p.place, known = placeAt[placeID]
			if p.standing, ok = standingAt[standingID]; !known || !ok {
				return fmt.Errorf("version %d speaks of what is not there", p.rid)
			}
			if inside != 0 {
				p.standing |= insideBit
			}
			out = append(out, p)
			return nil
		})
		return out, s.explain(err)
	})
}

// pastTexts returns the texts of the versions that have ended, in the order of pastVersions. They are read once.
func (s *Store) pastTexts(ctx context.Context, n *snapshot) (*texts, error) {
	return n.pastText.get(func() (*texts, error) {
		x, err := readTexts(ctx, s.read, n, 0, `SELECT id, name, `+tagsOf+` FROM resources WHERE organization = $1 AND ended IS NOT NULL AND ended <= $2 ORDER BY rid`)
		return x, s.explain(err)
	})
}

// findPast returns which of the versions that have ended have the ids, names, tags and words of a filter.
func (s *Store) findPast(ctx context.Context, n *snapshot, f demarc.Filter) ([]bool, error) {
	past, err := s.pastVersions(ctx, n)
	if err != nil {
		return nil, err
	}
	return n.found.get(ctx, "past "+textsAsked(f).String(), func() ([]bool, error) { return s.searchPast(ctx, n, f, past) })
}

func (s *Store) searchPast(ctx context.Context, n *snapshot, f demarc.Filter, past []pastVersion) ([]bool, error) {
	x, err := s.pastTexts(ctx, n)
	if err != nil {
		return nil, err
	}
	out := make([]bool, min(len(past), len(x.starts))) // a prune may have come between
	for i := range out {
		out[i] = true
	}
	if len(f.IDs) > 0 {
		clear(out)
		for chunk := range slices.Chunk(f.IDs, endsAtOnce) {
			args := []any{n.org}
			for _, id := range chunk {
				args = append(args, clean(string(id)))
			}
			rows, err := s.read.QueryContext(ctx, `SELECT rid FROM resources WHERE organization = $1 AND ended IS NOT NULL AND id IN (`+dollars(2, len(chunk))+`)`, args...)
			if err := each(rows, err, func(r *sql.Rows) error {
				var rid int64
				if err := r.Scan(&rid); err != nil {
					return err
				}
				if i, ok := pastAt(past, rid); ok && i < len(out) {
					out[i] = true
				}
				return nil
			}); err != nil {
				return nil, s.explain(err)
			}
		}
	}
	if err := s.keepTexts(ctx, x, f, out, func(at int) int64 { return past[at].rid }); err != nil {
		return nil, err
	}
	return out, nil
}

func pastAt(past []pastVersion, rid int64) (int, bool) {
	return slices.BinarySearchFunc(past, rid, func(p pastVersion, rid int64) int { return int(p.rid - rid) })
}

// versionAt says where a version is: its position in a snapshot, or, below zero, one less than the complement of its
// index among those that have ended. nowhere is one that was pruned.
type versionAt int32

const nowhere = versionAt(-1 << 31)

// versionsOf returns where some versions are.
func (s *Store) versionsOf(ctx context.Context, n *snapshot, rids []int64) ([]versionAt, error) {
	past, err := s.pastVersions(ctx, n)
	if err != nil {
		return nil, err
	}
	here := make(map[int64]versionAt, len(rids))
	for _, rid := range rids {
		here[rid] = nowhere
	}
	for rid := range here {
		if i, ok := pastAt(past, rid); ok {
			here[rid] = -1 - versionAt(i)
		}
	}
	if len(here) > 0 {
		for pos, rid := range n.rids {
			if _, ok := here[rid]; ok {
				here[rid] = versionAt(pos)
			}
		}
	}
	out := make([]versionAt, len(rids))
	for i, rid := range rids {
		out[i] = here[rid]
	}
	return out, nil
}

// asksVersions returns what tells the versions that have the ids, names, tags, words and exposure of a filter; nil if it has
// none.
func (s *Store) asksVersions(ctx context.Context, n *snapshot, f demarc.Filter) (func(versionAt) bool, error) {
	ofTexts := ofTexts(&f)
	if !ofTexts && len(f.Exposures) == 0 {
		return nil, nil //nolint:nilnil // said above
	}
	var now, past []bool
	if ofTexts {
		var err error
		if now, err = s.find(ctx, n, f); err != nil {
			return nil, err
		}
		if past, err = s.findPast(ctx, n, f); err != nil {
			return nil, err
		}
	}
	return func(at versionAt) bool {
		if len(f.Exposures) > 0 && !slices.Contains(f.Exposures, n.exposureAt(at)) {
			return false
		}
		if !ofTexts || at >= 0 {
			return !ofTexts || now[at]
		}
		i := -1 - int(at)
		return i < len(past) && past[i]
	}, nil
}

// exposureAt returns the exposure of a version. One that was pruned has unknown. The past has been read.
func (n *snapshot) exposureAt(at versionAt) demarc.Exposure {
	if at >= 0 {
		return n.exposure(n.standings[at])
	}
	i := -1 - int(at)
	if i >= len(n.past.value) || int(n.past.value[i].standing&^insideBit) >= n.view.standings {
		return demarc.ExposureUnknown
	}
	return n.exposure(n.past.value[i].standing)
}

// ofTexts reports whether a filter asks for ids, names, tags or words.
func ofTexts(f *demarc.Filter) bool {
	return len(f.IDs)+len(f.Names)+len(f.Tags) > 0 || f.Text != ""
}

// textsAsked is what a filter asks of texts.
func textsAsked(f demarc.Filter) demarc.Filter {
	return demarc.Filter{IDs: f.IDs, Names: f.Names, Tags: f.Tags, Text: f.Text}
}

// pastMask returns the duties that are wanted of a version that has ended, as far as it is not asked of texts.
func (sel *selection) pastMask(p *pastVersion) uint64 {
	if int(p.place) >= len(sel.places) || int(p.standing&^insideBit) >= sel.n.view.standings || !sel.places[p.place] {
		return 0 // or of a scan that came meanwhile
	}
	if sel.duties == nil {
		return allDuties
	}
	m := sel.duties[p.standing&^insideBit]
	if p.standing&insideBit != 0 {
		m &^= guestDuties
	}
	return m
}
