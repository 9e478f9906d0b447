// Package parquet writes answers, moves and findings as rows for other engines, in Parquet or as a line of JSON each.
package parquet

import (
	"encoding/json"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/demarc/demarc"
)

// Duty is one duty of one resource that applies to it.
type Duty struct {
	Resource    string            `json:"resource" parquet:"resource"`
	Provider    string            `json:"provider" parquet:"provider,dict"`
	Source      string            `json:"source" parquet:"source,dict"`
	Account     string            `json:"account" parquet:"account,dict"`
	Region      string            `json:"region" parquet:"region,dict"`
	Type        string            `json:"type" parquet:"type,dict"`
	Service     string            `json:"service" parquet:"service,dict"`
	Model       string            `json:"model" parquet:"model,dict"`
	Name        string            `json:"name" parquet:"name"`
	Tags        map[string]string `json:"tags" parquet:"tags"`
	Layer       string            `json:"layer" parquet:"layer,dict"`
	Duty        string            `json:"duty" parquet:"duty,dict"`
	Holder      string            `json:"holder" parquet:"holder,dict"`
	Parties     string            `json:"parties" parquet:"parties,dict"` // joined by commas
	State       string            `json:"state" parquet:"state,dict"`
	Counterpart string            `json:"counterpart" parquet:"counterpart,dict"`
	Gap         string            `json:"gap" parquet:"gap,dict"`
	Severity    string            `json:"severity" parquet:"severity,dict"` // of the gap
	Assumed     bool              `json:"assumed" parquet:"assumed"`
	Team        string            `json:"team" parquet:"team,dict"`
	Basis       string            `json:"basis" parquet:"basis,dict"` // kind:id, joined by commas
	Because     string            `json:"because" parquet:"because,dict"`
}

// Duties are the rows of answers, for the duties that are wanted.
func Duties(answers iter.Seq2[*demarc.Answer, error], wanted func(*demarc.DutyAnswer) bool) iter.Seq2[Duty, error] {
	return func(yield func(Duty, error) bool) {
		for a, err := range answers {
			if err != nil {
				yield(Duty{}, err)
				return
			}
			r := &a.Resource
			for d := range a.Duties {
				if d.Holder == demarc.NotApplicable || !wanted(d) {
					continue
				}
				row := Duty{
					Resource: string(r.ID), Provider: r.Provider, Source: r.Source, Account: r.Account, Region: r.Region, Type: r.Type, Service: string(r.Service), Model: r.Model, Name: r.Name, Tags: r.Tags.Map(),
					Layer: string(d.Duty.Layer()), Duty: string(d.Duty), Holder: string(d.Holder), State: string(d.State), Counterpart: string(d.Counterpart), Gap: string(d.Gap()), Assumed: d.Assumed, Team: d.Team, Because: d.Ground(),
				}
				if row.Gap != "" {
					row.Severity = d.Severity().String()
				}
				parties := make([]string, len(d.Parties))
				for i, p := range d.Parties {
					parties[i] = string(p)
				}
				basis := make([]string, len(d.Basis))
				for i, b := range d.Basis {
					basis[i] = b.String()
				}
				row.Parties, row.Basis = strings.Join(parties, ","), strings.Join(basis, ",")
				if !yield(row, nil) {
					return
				}
			}
		}
	}
}

// Move is one duty that changed hands.
type Move struct {
	Resource       string    `json:"resource" parquet:"resource"`
	Provider       string    `json:"provider" parquet:"provider,dict"`
	Account        string    `json:"account" parquet:"account,dict"`
	Region         string    `json:"region" parquet:"region,dict"`
	Service        string    `json:"service" parquet:"service,dict"`
	Duty           string    `json:"duty" parquet:"duty,dict"`
	From           string    `json:"from" parquet:"from,dict"`
	To             string    `json:"to" parquet:"to,dict"`
	Setting        string    `json:"setting" parquet:"setting,dict"` // "name: old → new"
	Rule           string    `json:"rule" parquet:"rule,dict"`       // kind:id
	Cause          string    `json:"cause" parquet:"cause,dict"`
	CatalogChanged bool      `json:"catalog_changed" parquet:"catalog_changed"`
	Team           string    `json:"team" parquet:"team,dict"`
	Scan           int64     `json:"scan" parquet:"scan"`
	At             time.Time `json:"at" parquet:"at,timestamp(microsecond)"`
}

// MoveOf is the row of a move.
func MoveOf(m *demarc.Move) Move {
	return Move{
		Resource: string(m.Resource.ID), Provider: m.Resource.Provider, Account: m.Resource.Account, Region: m.Resource.Region, Service: string(m.Resource.Service), Duty: string(m.Duty),
		From: string(m.From.Holder), To: string(m.To.Holder), Setting: m.Setting(), Rule: m.RuleText(), Cause: string(m.Cause), CatalogChanged: m.CatalogChanged, Team: m.Team, Scan: int64(m.FirstSeen.Scan), At: m.FirstSeen.At,
	}
}

// Finding is one gap with its history.
type Finding struct {
	Resource  string    `json:"resource" parquet:"resource"`
	Provider  string    `json:"provider" parquet:"provider,dict"`
	Account   string    `json:"account" parquet:"account,dict"`
	Region    string    `json:"region" parquet:"region,dict"`
	Service   string    `json:"service" parquet:"service,dict"`
	Duty      string    `json:"duty" parquet:"duty,dict"`
	Gap       string    `json:"gap" parquet:"gap,dict"`
	Check     string    `json:"check" parquet:"check,dict"`
	Severity  string    `json:"severity" parquet:"severity,dict"`
	Holder    string    `json:"holder" parquet:"holder,dict"`
	State     string    `json:"state" parquet:"state,dict"`
	Team      string    `json:"team" parquet:"team,dict"`
	Stale     bool      `json:"stale" parquet:"stale"`
	FirstSeen time.Time `json:"first_seen" parquet:"first_seen,timestamp(microsecond)"`
	LastSeen  time.Time `json:"last_seen" parquet:"last_seen,timestamp(microsecond)"`
	Resolved  Instant   `json:"resolved" parquet:"resolved,optional,timestamp(microsecond)"`
}

// FindingOf is the row of a finding.
func FindingOf(f *demarc.Finding) Finding {
	return Finding{
		Resource: string(f.Resource.ID), Provider: f.Resource.Provider, Account: f.Resource.Account, Region: f.Resource.Region, Service: string(f.Resource.Service), Duty: string(f.Duty),
		Gap: string(f.Gap), Check: f.Check, Severity: f.Severity.String(), Holder: string(f.Holder), State: string(f.State), Team: f.Team, Stale: f.Stale, FirstSeen: f.FirstSeen.At, LastSeen: f.LastSeen.At, Resolved: instantOf(f.Resolved.At),
	}
}

// Instant is a time that may be missing, in microseconds since 1970; 0 for none. (Of its own accord the library writes a
// missing time.Time as one in 1754.)
type Instant int64

func instantOf(t time.Time) Instant {
	if t.IsZero() {
		return 0
	}
	return Instant(t.UnixMicro())
}

// MarshalJSON writes the time as the others are written, and null for none.
func (i Instant) MarshalJSON() ([]byte, error) {
	if i == 0 {
		return []byte("null"), nil
	}
	return time.UnixMicro(int64(i)).UTC().MarshalJSON()
}

const batch = 4096 // rows

// Write writes rows as Parquet, compressed with zstd.
func Write[T any](w io.Writer, rows iter.Seq2[T, error]) error {
	out := parquet.NewGenericWriter[T](w, parquet.Compression(&parquet.Zstd), parquet.MaxRowsPerRowGroup(1<<18), parquet.CreatedBy("demarc", "", ""))
	list := make([]T, 0, batch)
	for row, err := range rows {
		if err != nil {
			return err
		}
		if list = append(list, row); len(list) == batch {
			if _, err := out.Write(list); err != nil {
				return err
			}
			list = list[:0]
		}
	}
	if _, err := out.Write(list); err != nil {
		return err
	}
	return out.Close()
}

// WriteLines writes rows as a line of JSON each.
func WriteLines[T any](w io.Writer, rows iter.Seq2[T, error]) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	for row, err := range rows {
		if err != nil {
			return err
		}
		if err := e.Encode(row); err != nil {
			return err
		}
	}
	return nil
}
